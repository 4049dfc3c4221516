"""Events that come together are stored in one statement, each as if it had come alone."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from billing.errors import UnavailableError
from billing.facts import EventRef
from billing.storage.arrivals import Arrival, Stored, insert_events
from billing.storage.pool import Database
from billing.webhooks.inbox import Inbox
from tests.integration.billing.conftest import Shop
from tests.support.fate import Fate, When
from tests.support.inbox import make_event, states_of
from tests.support.keys import RING
from tests.support.locks import until_somebody_waits

LEASE = timedelta(seconds=60)


def arrivals_of(shop: Shop, *events: EventRef) -> list[Arrival]:
    at = shop.clock()
    return [Arrival(event, b"sealed", {}, at, due_at=at) for event in events]


async def insert(shop: Shop, *events: EventRef) -> list[str]:
    async with shop.database.connection() as connection:
        insertions = await insert_events(connection, "memory", arrivals_of(shop, *events))
    return [each.stored.value for each in insertions]


@pytest.mark.parametrize(
    ("came", "stored", "states"),
    [
        (["a", "a", "b"], ["new", "again", "new"], ["received", "received"]),
        (["a", "thin a"], ["new", "twin"], ["received", "ignored"]),
        (["thin a", "a", "a"], ["new", "twin", "again"], ["received", "ignored"]),
        (["thin a", "b", "thin a", "a"], ["new", "new", "again", "twin"], ["received"] * 2),
    ],
)
async def test_of_an_event_that_comes_twice_at_once_the_first_counts(
    shop: Shop, came: list[str], stored: list[str], states: list[str]
) -> None:
    numbers = {"a": 1, "b": 2, "thin a": 3}
    events = [
        make_event(numbers[name], provider=shop.provider, twin="evt_1" if "thin" in name else None)
        for name in came
    ]

    assert await insert(shop, *events) == stored
    assert (await states_of(shop.database))[: len(states)] == states
    assert await insert(shop, *events) == ["again"] * len(came)


async def test_what_is_about_nothing_is_settled_among_others_that_are_not(shop: Shop) -> None:
    about_nothing = replace(make_event(2, provider=shop.provider), ref=None)

    await insert(shop, make_event(1, provider=shop.provider), about_nothing)

    assert await states_of(shop.database) == ["received", "ignored"]


async def test_an_event_that_postgres_cannot_hold_is_refused_alone(shop: Shop) -> None:
    events = [make_event(number, provider=shop.provider) for number in range(6)]
    events[3] = replace(events[3], type="no\0text")

    came = await asyncio.gather(
        *(shop.inbox.store(event, b"{}", {}, shop.clock()) for event in events),
        return_exceptions=True,
    )

    refused = came.pop(3)
    assert isinstance(refused, asyncpg.PostgresError)
    assert came == [Stored.NEW] * 5
    assert await states_of(shop.database) == ["received"] * 5


@pytest.mark.parametrize(("when", "then"), [(When.BEFORE, "new"), (When.AFTER, "again")])
async def test_nobody_hears_of_a_commit_that_nobody_knows_of(
    shop: Shop, database_url: str, when: When, then: str
) -> None:
    fate = Fate()
    opened = await Database.open(
        database_url, size=2, ring=RING, connection_class=fate.connection_class()
    )
    try:
        inbox = Inbox(opened, "memory")
        events = [make_event(number, provider=shop.provider) for number in range(5)]

        async def store() -> list[Stored | BaseException]:
            coming = (inbox.store(event, b"{}", {}, shop.clock()) for event in events)
            return await asyncio.gather(*coming, return_exceptions=True)

        fate.cut(0, when)
        cut = await store()
        sent_again = await store()
    finally:
        await opened.close()

    assert [type(each) for each in cut] == [UnavailableError] * 5
    assert sent_again == [Stored(then)] * 5
    assert await states_of(shop.database) == ["received"] * 5


async def test_two_processes_that_get_the_same_events_store_each_once(shop: Shop) -> None:
    inboxes = (shop.inbox, Inbox(shop.database, "memory"))
    events = [make_event(number, provider=shop.provider) for number in range(150)]

    came = await asyncio.gather(
        *(
            inbox.store(event, b"{}", {}, shop.clock())
            for inbox, order in zip(inboxes, (events, reversed(events)), strict=True)
            for event in order
        )
    )

    assert sorted(came) == [Stored.AGAIN] * 150 + [Stored.NEW] * 150
    assert await states_of(shop.database) == ["received"] * 150


async def test_two_processes_that_get_events_in_other_orders_do_not_wait_in_a_ring(
    shop: Shop,
) -> None:
    one, two = (make_event(number, provider=shop.provider) for number in (1, 2))

    async with shop.database.transaction() as first:
        await insert_events(first, "memory", arrivals_of(shop, one))
        others = asyncio.create_task(insert(shop, two, one))
        await until_somebody_waits(first)
        await insert_events(first, "memory", arrivals_of(shop, two))

    assert await others == ["again", "again"]


async def test_a_bodys_seal_is_its_own_whoever_it_came_with(shop: Shop) -> None:
    events = [make_event(n, f"sub_{n}", provider=shop.provider) for n in range(4)]

    await asyncio.gather(
        *(shop.inbox.store(event, event.external_id.encode(), {}, shop.clock()) for event in events)
    )
    bodies = []
    while (claim := await shop.inbox.claim(shop.clock(), LEASE)) is not None:
        bodies += [found.body for found in await shop.inbox.list_bodies(claim)]

    assert sorted(bodies) == [event.external_id.encode() for event in events]
