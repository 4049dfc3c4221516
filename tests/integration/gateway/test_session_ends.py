"""What open streams hear of sessions and of clients: which one has ended, and when it will."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from billing.storage.pool import Database
from gateway.clock import wall
from gateway.sessions import SessionStore
from proxy.ports import SessionsUnavailableError
from tests.support.clock import FakeClock, Seconds
from tests.support.keys import RING

OWN = "checkout.localhost"


@pytest.fixture
def monotonic() -> Seconds:
    return Seconds()


@pytest.fixture
def store(database: Database, clock: FakeClock, monotonic: Seconds) -> SessionStore:
    return SessionStore(database, clock, host=OWN, ttl_s=3600, monotonic=monotonic)


async def test_session_that_was_recalled_tells_its_end(
    store: SessionStore, clock: FakeClock
) -> None:
    token = await store.sign_in("demo:ann")
    before = store.find_end(token)
    await store.find_client(token, OWN)

    assert (before, store.find_end(token)) == (None, clock.now + timedelta(hours=1))


async def test_subscriber_hears_the_name_of_a_session_that_ended(store: SessionStore) -> None:
    heard: list[str | None] = []
    store.subscribe(heard.append)
    name = store.name_of("token-of-ann")

    await store.forget(name)
    store.hears()

    assert heard == [name, None]
    assert "token-of-ann" not in name


async def test_session_is_remembered_for_seconds_only_while_ends_go_unheard(
    store: SessionStore, monotonic: Seconds
) -> None:
    token = await store.sign_in("demo:ann")
    client_id = await store.find_client(token, OWN)
    monotonic.now_s += 10

    store.lost()
    monotonic.now_s += 5
    at_first = store.recall(token, OWN)
    monotonic.now_s += 1

    assert (at_first, store.recall(token, OWN)) == (client_id, None)


async def test_after_a_gap_everybody_is_looked_up_and_then_remembered_as_before(
    store: SessionStore, monotonic: Seconds
) -> None:
    token = await store.sign_in("demo:ann")
    client_id = await store.find_client(token, OWN)
    store.lost()
    store.hears()
    after = store.recall(token, OWN)

    await store.find_client(token, OWN)
    monotonic.now_s += 29

    assert (after, store.recall(token, OWN)) == (None, client_id)


@asynccontextmanager
async def hanging(database_url: str, monotonic: Seconds) -> AsyncIterator[tuple[SessionStore, str]]:
    """Lend a store that knows the session of a token, and whose database answers no more."""
    database = await Database.open(database_url, size=1, ring=RING)
    store = SessionStore(database, wall, host=OWN, ttl_s=3600, monotonic=monotonic)
    token = await store.sign_in("demo:ann")
    await store.find_client(token, OWN)
    monotonic.now_s += 31
    async with database.connection():
        yield store, token
    await database.close()


async def test_session_that_is_heard_to_end_while_the_store_fails_is_not_the_last_known(
    database_url: str, monotonic: Seconds
) -> None:
    async with hanging(database_url, monotonic) as (store, token):
        looking = asyncio.create_task(store.find_client(token, OWN))
        await asyncio.sleep(0)
        await store.forget(store.name_of(token))

        with pytest.raises(SessionsUnavailableError):
            await looking


async def test_one_a_second_waits_for_a_store_that_hangs(
    database_url: str, monotonic: Seconds
) -> None:
    async with hanging(database_url, monotonic) as (store, token):
        await store.find_client(token, OWN)
        monotonic.now_s += 1
        looking = [asyncio.create_task(store.find_client(token, OWN)) for _ in range(5)]

        await asyncio.wait(looking, timeout=0.5)

        assert [task.done() for task in looking] == [False, True, True, True, True]
        await asyncio.gather(*looking)
