"""Events that come during a commit share the next one, and nothing else."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from billing.errors import UnavailableError
from billing.facts import EventRef, ObjectKind, ObjectRef
from billing.storage.arrivals import Arrival, Insertion, Stored
from billing.webhooks.group_commit import GroupCommit

AT = datetime(2026, 11, 25, tzinfo=UTC)
NEVER_S = 60.0


def arrival(name: str) -> Arrival:
    ref = ObjectRef(ObjectKind.SUBSCRIPTION, "sub_1")
    event = EventRef(name, "some.event", ref, livemode=False, api_version="1", occurred_at=AT)
    return Arrival(event, b"", {}, AT, due_at=AT)


class Table:
    """Inserts while its gate is open; refuses all of a batch in which one cannot be written."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.told: list[int] = []
        self.gate = asyncio.Event()
        self.is_away = False
        self.poison = ""
        self.is_mute = False
        self._rows: list[str] = []

    async def write(self, arrivals: Sequence[Arrival]) -> list[Insertion]:
        names = [each.event.external_id for each in arrivals]
        self.batches.append(names)
        await self.gate.wait()
        if self.is_away:
            raise UnavailableError("away")
        if self.poison in names:
            raise ValueError(self.poison)
        self._rows += names
        return [Insertion(Stored.NEW, self._rows.index(name)) for name in names]

    async def written(self, insertions: Sequence[Insertion]) -> None:
        self.told.append(len(insertions))
        if self.is_mute:
            raise ValueError("no notice can be given")


def group(table: Table, *, waiting: int = 100, patience_s: float = NEVER_S) -> GroupCommit:
    return GroupCommit(
        table.write, table.written, together=3, waiting=waiting, patience_s=patience_s
    )


async def begin(commits: GroupCommit, *names: str) -> list[asyncio.Task[Insertion]]:
    """Let all of them come, one after the other, and the first write begin."""
    tasks = []
    for name in names:
        tasks.append(asyncio.create_task(commits.add(arrival(name))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return tasks


async def outcomes(tasks: Sequence[asyncio.Task[Insertion]]) -> list[object]:
    came = await asyncio.gather(*tasks, return_exceptions=True)
    return [each.id if isinstance(each, Insertion) else type(each) for each in came]


async def test_who_comes_alone_waits_for_nobody() -> None:
    table = Table()
    table.gate.set()

    insertion = await group(table).add(arrival("a"))

    assert insertion == Insertion(Stored.NEW, 0)
    assert table.batches == [["a"]]


async def test_who_comes_during_a_commit_shares_the_next_in_bounded_batches() -> None:
    table = Table()
    tasks = await begin(group(table), *"abcdefg")

    table.gate.set()

    assert await outcomes(tasks) == [0, 1, 2, 3, 4, 5, 6]
    assert table.batches == [["a"], ["b", "c", "d"], ["e", "f", "g"]]
    assert table.told == [1, 3, 3]


async def test_nobody_is_told_before_the_commit() -> None:
    table = Table()
    tasks = await begin(group(table), *"ab")

    early = [task.done() for task in tasks]
    table.gate.set()

    assert early == [False, False]
    assert await outcomes(tasks) == [0, 1]


async def test_an_event_that_cannot_be_written_harms_no_other() -> None:
    table = Table()
    table.poison = "c"
    tasks = await begin(group(table), *"abcd")

    table.gate.set()

    assert await outcomes(tasks) == [0, 1, ValueError, 2]
    assert table.batches == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]]


async def test_a_notice_that_cannot_be_given_stops_nobody_behind_it() -> None:
    table = Table()
    table.is_mute = True
    tasks = await begin(group(table), *"ab")

    table.gate.set()

    assert await outcomes(tasks) == [0, 1]
    assert table.told == [1, 1]


async def test_who_is_cancelled_harms_no_other_and_is_not_written() -> None:
    table = Table()
    tasks = await begin(group(table), *"abc")

    tasks[0].cancel()
    tasks[1].cancel()
    await asyncio.sleep(0)
    table.gate.set()

    assert await outcomes(tasks) == [asyncio.CancelledError, asyncio.CancelledError, 1]
    assert table.batches == [["a"], ["c"]]


async def test_too_many_are_refused_and_those_who_wait_are_written() -> None:
    table = Table()
    tasks = await begin(group(table, waiting=2), *"abcd")

    table.gate.set()

    assert await outcomes(tasks) == [0, 1, 2, UnavailableError]


async def test_a_database_that_is_away_is_everybodys_error_and_is_asked_again_next_time() -> None:
    table = Table()
    commits = group(table)
    table.is_away = True
    tasks = await begin(commits, *"abc")
    table.gate.set()
    away = await outcomes(tasks)

    table.is_away = False
    insertion = await commits.add(arrival("a"))

    assert away == [UnavailableError] * 3
    assert table.batches == [["a"], ["b", "c"], ["a"]]
    assert insertion == Insertion(Stored.NEW, 0)


async def test_whoever_waits_too_long_is_told_to_come_again() -> None:
    table = Table()
    commits = group(table, patience_s=0.01)

    with pytest.raises(UnavailableError, match="in time"):
        await commits.add(arrival("a"))
