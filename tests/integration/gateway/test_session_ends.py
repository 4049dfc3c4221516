"""What open streams hear of sessions and of clients: which one has ended, and when it will."""

from datetime import timedelta

import pytest

from billing.storage.pool import Database
from gateway.sessions import SessionStore
from tests.support.clock import FakeClock, Seconds

OWN = "checkout.localhost"


@pytest.fixture
def store(database: Database, clock: FakeClock) -> SessionStore:
    return SessionStore(database, clock, host=OWN, ttl_s=3600, monotonic=Seconds())


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
    store.forget_freshness()

    assert heard == [name, None]
    assert "token-of-ann" not in name
