"""Changes are owed to Redis until it took them; failing stores are left alone meanwhile."""

import asyncio
from collections.abc import Mapping

import pytest

from billing.entitlements.errands import Errands
from billing.entitlements.owed import Owed
from billing.entitlements.rest import Rest
from billing.entitlements.shared import NoSharedStore
from tests.support.clock import Seconds


class Told(NoSharedStore):
    """Takes changes once it may."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.batches: list[dict[str, int]] = []

    async def invalidate(self, changes: Mapping[str, int], channel: str) -> bool:
        await self.open.wait()
        self.batches.append(dict(changes))
        return True


class Doubts:
    """Counts how often too much was owed."""

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        self.count += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def doubts() -> Doubts:
    return Doubts()


async def test_change_is_remembered_until_it_was_taken(told: Told, doubts: Doubts) -> None:
    owed = Owed(told, doubts.add)

    owed.add("ann", 2)
    before = owed.floor("ann")
    told.open.set()
    await owed.settled()

    assert (before, owed.floor("ann"), told.batches) == (2, -1, [{"ann": 2}])


async def test_change_that_comes_while_one_is_told_is_told_after_it(
    told: Told, doubts: Doubts
) -> None:
    owed = Owed(told, doubts.add)
    owed.add("ann", 2)
    await asyncio.sleep(0)

    owed.add("ann", 3)
    owed.add("ann", 2)
    told.open.set()
    await owed.settled()

    assert told.batches == [{"ann": 2}, {"ann": 3}]


async def test_more_than_can_be_remembered_is_a_doubt(told: Told, doubts: Doubts) -> None:
    owed = Owed(told, doubts.add, most=2)

    for name in ("ann", "bob", "cid"):
        owed.add(name, 1)

    assert (doubts.count, owed.floor("ann"), owed.floor("cid")) == (1, -1, 1)
    told.open.set()
    await owed.settled()


async def test_errands_past_the_bound_are_left_out() -> None:
    errands = Errands(1)
    done: list[str] = []

    async def do(name: str) -> None:
        done.append(name)

    for name in ("first", "second"):
        errands.send(do(name), name)
    await errands.settled()
    errands.send(do("third"), "third")
    await errands.settled()

    assert done == ["first", "third"]


def test_after_a_failure_one_try_a_second_goes_ahead() -> None:
    clock = Seconds()
    rest = Rest(clock)
    before = (rest.is_over, rest.may_try(), rest.may_try())
    rest.failed()
    at_once = rest.may_try()
    clock.now_s += 1
    later = (rest.is_over, rest.may_try(), rest.may_try())
    rest.succeeded()

    assert before == (True, True, True)
    assert not at_once
    assert later == (False, True, False)
    assert (rest.is_over, rest.may_try()) == (True, True)
