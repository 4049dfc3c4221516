"""Notices on a real connection: told on commit, and a clean slate after every gap."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from billing.entitlements.invalidation import Listener
from billing.storage.grants import CHANNEL
from billing.storage.pool import Database
from tests.integration.entitlements.conftest import Writer

LIMIT_S = 30.0


class Heard:
    """What a listener told, awaited instead of polled."""

    def __init__(self) -> None:
        self.notices: asyncio.Queue[str] = asyncio.Queue()
        self.gaps = 0
        self.fails = False

    async def hear(self, payload: str) -> None:
        if self.fails:
            self.fails = False
            raise ValueError("one bad notice")
        self.notices.put_nowait(payload)

    def gap(self) -> None:
        self.gaps += 1

    async def next(self) -> str:
        async with asyncio.timeout(LIMIT_S):
            return await self.notices.get()


@asynccontextmanager
async def listening(
    url: str, heard: Heard, on_gap: Callable[[], None] | None = None
) -> AsyncIterator[Listener]:
    listener = Listener(url, {CHANNEL: heard.hear}, on_gap or heard.gap)
    task = asyncio.create_task(listener.run())
    try:
        async with asyncio.timeout(LIMIT_S):
            await listener.connected.wait()
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def heard() -> Heard:
    return Heard()


async def test_commit_is_told_with_client_and_version(
    database_url: str, writer: Writer, heard: Heard
) -> None:
    async with listening(database_url, heard):
        version = await writer.grant("notes")

        assert await heard.next() == f"{writer.client_id}:{version}"


async def test_change_that_is_rolled_back_is_not_told(
    database_url: str, writer: Writer, database: Database, heard: Heard
) -> None:
    async with listening(database_url, heard):
        async with database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("select pg_notify($1, 'rolled back')", CHANNEL)
            await transaction.rollback()
        version = await writer.grant("notes")

        assert await heard.next() == f"{writer.client_id}:{version}"


async def test_lost_connection_is_a_gap_and_is_made_anew(
    database_url: str, writer: Writer, heard: Heard
) -> None:
    again = asyncio.Event()

    def count() -> None:
        heard.gap()
        if heard.gaps == 2:
            again.set()

    async with listening(database_url, heard, count):
        killer = await asyncpg.connect(database_url)
        await killer.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and query ilike 'listen%'"
        )
        await killer.close()
        async with asyncio.timeout(LIMIT_S):
            await again.wait()
        version = await writer.grant("notes")

        assert await heard.next() == f"{writer.client_id}:{version}"


async def test_one_bad_notice_does_not_end_the_others(
    database_url: str, writer: Writer, heard: Heard
) -> None:
    heard.fails = True
    async with listening(database_url, heard):
        await writer.grant("notes")
        version = await writer.grant("wiki")

        assert await heard.next() == f"{writer.client_id}:{version}"


async def test_more_notices_than_fit_are_one_gap(
    database_url: str, database: Database, heard: Heard
) -> None:
    listener = Listener(database_url, {CHANNEL: heard.hear}, heard.gap)

    for number in range(10_001):
        listener._receive(None, 0, CHANNEL, f"c:{number}")

    assert heard.gaps == 1
