"""The inbox: events of an object are claimed together, and nobody settles what is not his."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from billing.facts import EventRef
from billing.storage.arrivals import Stored
from billing.webhooks.retention import KEPT, prune_events
from policies.decision import Outcome
from policies.model import SubscriptionStatus
from tests.integration.billing.conftest import Shop, make_worker
from tests.support.inbox import make_event, states_of

LEASE = timedelta(seconds=60)


async def store(shop: Shop, *events: EventRef, body: bytes = b"{}") -> list[Stored]:
    return [await shop.inbox.store(event, body, {}, shop.clock()) for event in events]


@pytest.fixture
def event(shop: Shop) -> Callable[..., EventRef]:
    def make(number: int, object_id: str = "sub_1", twin: str | None = None) -> EventRef:
        return make_event(number, object_id, provider=shop.provider, twin=twin)

    return make


async def test_events_of_one_object_cost_one_reading(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    session_id = await shop.buy()
    shop.provider.calls.clear()
    await store(shop, *(event(number, f"sub_{session_id}") for number in range(5)))

    await make_worker(shop).process_one()

    assert await states_of(shop.database) == ["done"] * 5
    assert shop.provider.calls.count("fetch_subscription") == 1


async def test_an_event_that_comes_during_the_reading_is_not_settled_by_it(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    await store(shop, event(1))
    claim = await shop.inbox.claim(shop.clock(), LEASE)
    assert claim is not None

    await store(shop, event(2))
    await shop.processor.process(claim)

    assert await states_of(shop.database) == ["ignored", "received"]


async def test_events_of_an_object_wait_while_it_is_read_and_are_next(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    await store(shop, event(1))
    first = await shop.inbox.claim(shop.clock(), LEASE)
    assert first is not None
    await store(shop, event(2), event(3))

    while_read = await shop.inbox.claim(shop.clock(), LEASE)
    await shop.inbox.settle(first, "done", shop.clock(), None, None)
    afterwards = await shop.inbox.claim(shop.clock(), LEASE)

    assert while_read is None
    assert afterwards is not None
    assert afterwards.events == 2


async def test_who_lost_his_claim_can_settle_nothing(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    await store(shop, event(1))
    lost = await shop.inbox.claim(shop.clock(), LEASE)
    shop.clock.move(seconds=61)
    held = await shop.inbox.claim(shop.clock(), LEASE)
    assert lost is not None
    assert held is not None

    await shop.inbox.settle(lost, "done", shop.clock(), None, None)
    after_the_loser = await states_of(shop.database)
    await shop.inbox.settle(held, "ignored", shop.clock(), None, None)

    assert after_the_loser == ["received"]
    assert await states_of(shop.database) == ["ignored"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_of_two_forms_of_an_event_the_first_is_applied(
    shop: Shop, event: Callable[..., EventRef], order: tuple[int, int]
) -> None:
    forms = (event(1), event(2, twin="evt_1"))

    stored = await store(shop, *(forms[place] for place in order))

    assert stored == [Stored.NEW, Stored.TWIN]
    assert await states_of(shop.database) == ["received", "ignored"]


async def test_of_two_forms_at_once_one_is_applied(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    forms = [event(1), event(2, twin="evt_1")] * 3

    stored = await asyncio.gather(*(store(shop, form) for form in forms))

    assert sorted(each[0] for each in stored) == ["again"] * 4 + ["new", "twin"]
    assert sorted(await states_of(shop.database)) == ["ignored", "received"]


async def test_an_outage_does_not_count_as_a_try(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    session_id = await shop.buy()
    await store(shop, event(1, f"sub_{session_id}"))
    worker = make_worker(shop)

    shop.provider.is_down = True
    for _ in range(10):
        await worker.process_one()
        shop.clock.move(hours=2)
    shop.provider.is_down, shop.provider.is_garbled = False, True
    tried = []
    for _ in range(3):
        await worker.process_one()
        shop.clock.move(hours=2)
        tried += await states_of(shop.database)

    assert tried == ["failed", "failed", "dead"]


async def test_an_event_that_kills_whoever_works_on_it_ends_as_a_dead_letter(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    await store(shop, event(1))
    for _ in range(3):
        await shop.inbox.claim(shop.clock(), LEASE)
        shop.clock.move(seconds=61)

    await make_worker(shop).process_one()

    assert await states_of(shop.database) == ["dead"]


async def test_the_end_of_an_outage_is_not_waited_for_by_each_event(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    await store(shop, event(1, "sub_1"), event(2, "sub_2"), event(3, "sub_3"))
    worker = make_worker(shop)
    shop.provider.is_down = True
    for _ in range(8):
        while await worker.process_one():
            pass
        shop.clock.move(hours=1)
    await worker.process_one()
    await worker.process_one()
    await worker.process_one()
    shop.provider.is_down = False
    session_id = await shop.buy()
    await store(shop, event(4, f"sub_{session_id}"))

    while await worker.process_one():
        pass

    assert await states_of(shop.database) == ["ignored", "ignored", "ignored", "done"]


async def test_a_body_opens_the_door_while_the_provider_is_down(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    session_id = await shop.buy()
    sub_id = f"sub_{session_id}"
    shop.clock.move(days=31)
    lapsed = await shop.outcome()
    later = shop.clock() + timedelta(days=30)
    shop.provider.change(sub_id, status=SubscriptionStatus.ACTIVE, period_end=later)
    body = json.dumps({"snapshot": shop.provider.snapshot(sub_id)}).encode()
    shop.provider.is_down = True
    await store(shop, event(1, sub_id), body=body)

    await make_worker(shop).process_one()
    waiting = await states_of(shop.database)
    opened = await shop.outcome()

    assert (lapsed, opened) == (Outcome.PAY, Outcome.ALLOW)
    assert waiting == ["failed"]


async def test_the_body_of_the_other_form_opens_the_door_too(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    session_id = await shop.buy()
    sub_id = f"sub_{session_id}"
    shop.clock.move(days=31)
    later = shop.clock() + timedelta(days=30)
    shop.provider.change(sub_id, status=SubscriptionStatus.ACTIVE, period_end=later)
    body = json.dumps({"snapshot": shop.provider.snapshot(sub_id)}).encode()
    shop.provider.is_down = True
    await store(shop, event(2, sub_id, twin="evt_1"))
    await store(shop, event(1, sub_id), body=body)

    await make_worker(shop).process_one()

    assert await shop.outcome() is Outcome.ALLOW


async def test_bodies_cannot_be_read_in_the_database(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    await store(shop, event(1), body=b'{"email": "ann@example.com"}')
    claim = await shop.inbox.claim(shop.clock(), LEASE)
    assert claim is not None

    async with shop.database.connection() as connection:
        kept = await connection.fetchval("select body from psp_inbox")
    (opened,) = await shop.inbox.list_bodies(claim)

    assert b"example.com" not in kept
    assert opened.body == b'{"email": "ann@example.com"}'


async def test_settled_events_are_forgotten_after_a_month_and_dead_ones_never(
    shop: Shop, event: Callable[..., EventRef]
) -> None:
    await store(shop, event(1, "sub_1"), event(2, "sub_2"), event(3, "sub_3"))
    for state in ("done", "ignored"):
        claim = await shop.inbox.claim(shop.clock(), LEASE)
        assert claim is not None
        await shop.inbox.settle(claim, state, shop.clock(), None, None)
    claim = await shop.inbox.claim(shop.clock(), LEASE)
    assert claim is not None
    await shop.inbox.fail(claim, shop.clock(), shop.clock(), "broken", max_attempts=1)

    early = await prune_events(shop.inbox, shop.clock() + KEPT)
    late = await prune_events(shop.inbox, shop.clock() + KEPT + timedelta(seconds=1))

    assert (early, late) == (0, 2)
    assert await states_of(shop.database) == ["dead"]
