"""The provider is asked across processes: by a notice, once a minute, and never for long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from billing.entitlements.invalidation import Listener, Missed
from billing.entitlements.refreshing import Refreshing
from billing.storage import refresh_notices
from billing.storage.pool import Database
from tests.support.clock import FakeClock
from tests.support.keys import RING

ANN = "6a0f2c0e-0000-4000-8000-000000000001"
BOB = "6a0f2c0e-0000-4000-8000-000000000002"

Answer = Callable[[str], Awaitable[None]]


@pytest.fixture
def refreshing(database: Database, clock: FakeClock) -> Refreshing:
    return Refreshing(database, lambda: clock().timestamp())


class NoEars:
    """Nobody who has to know of gaps."""

    def lost(self) -> None:
        pass

    def hears(self, missed: Missed) -> None:
        pass


@asynccontextmanager
async def listening(url: str, refreshing: Refreshing, on_asked: Answer) -> AsyncIterator[None]:
    """Let notices of either kind be heard within."""
    handlers = {
        refresh_notices.ASKED: on_asked,
        refresh_notices.ANSWERED: refreshing.answered,
    }
    listener = Listener(url, handlers, NoEars())
    task = asyncio.create_task(listener.run())
    try:
        async with asyncio.timeout(30):
            await listener.connected.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_all_who_ask_at_once_wait_for_one_answer(
    database: Database, database_url: str, refreshing: Refreshing
) -> None:
    asked: list[str] = []

    async def on_asked(client_id: str) -> None:
        asked.append(client_id)
        async with database.connection() as connection:
            await refresh_notices.answer(connection, client_id)

    async with listening(database_url, refreshing, on_asked), asyncio.timeout(10):
        await asyncio.gather(*(refreshing.ask(ANN) for _ in range(20)))

    assert asked == [ANN]


async def test_a_client_is_asked_about_once_a_minute(
    database_url: str, refreshing: Refreshing, clock: FakeClock
) -> None:
    async def on_asked(client_id: str) -> None:
        await refreshing.answered(client_id)

    async with listening(database_url, refreshing, on_asked):
        before = refreshing.may_ask(ANN)
        await refreshing.ask(ANN)
    after, of_another = refreshing.may_ask(ANN), refreshing.may_ask(BOB)
    clock.move(seconds=62)

    assert (before, after, of_another) == (True, False, True)
    assert refreshing.may_ask(ANN)


async def test_where_nobody_answers_nobody_waits_for_long(refreshing: Refreshing) -> None:
    async with asyncio.timeout(5):
        await refreshing.ask(ANN)

    assert not refreshing.may_ask(ANN)


async def test_who_leaves_does_not_end_the_question_of_others(
    database: Database, database_url: str, refreshing: Refreshing
) -> None:
    held = asyncio.Event()
    answered: list[str] = []

    async def on_asked(client_id: str) -> None:
        await held.wait()
        answered.append(client_id)
        async with database.connection() as connection:
            await refresh_notices.answer(connection, client_id)

    async with listening(database_url, refreshing, on_asked):
        first = asyncio.create_task(refreshing.ask(ANN))
        second = asyncio.create_task(refreshing.ask(ANN))
        await asyncio.sleep(0)
        first.cancel()
        held.set()
        async with asyncio.timeout(10):
            await second

    assert answered == [ANN]


async def test_a_database_that_is_gone_is_no_answer(database_url: str, clock: FakeClock) -> None:
    closed = await Database.open(database_url, size=2, ring=RING)
    await closed.close()
    refreshing = Refreshing(closed, lambda: clock().timestamp())

    async with asyncio.timeout(5):
        await refreshing.ask(ANN)

    assert not refreshing.may_ask(ANN)
