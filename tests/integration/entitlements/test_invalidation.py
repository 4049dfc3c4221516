"""Notices on a real connection: told on commit, and a clean slate after every gap."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from billing.entitlements.invalidation import Listener, Missed
from billing.storage.changes import read_changes, read_mark
from billing.storage.grants import CHANNEL, bump_version
from billing.storage.pool import Database
from tests.integration.entitlements.conftest import Writer

LIMIT_S = 30.0


class Heard:
    """What a listener told, awaited instead of polled."""

    def __init__(self) -> None:
        self.notices: asyncio.Queue[str] = asyncio.Queue()
        self.gaps: asyncio.Queue[Missed] = asyncio.Queue()
        self.losses = 0
        self.fails = False

    async def hear(self, payload: str) -> None:
        if self.fails:
            self.fails = False
            raise ValueError("one bad notice")
        self.notices.put_nowait(payload)

    def lost(self) -> None:
        self.losses += 1

    def hears(self, missed: Missed) -> None:
        self.gaps.put_nowait(missed)

    async def next_gap(self) -> Missed:
        async with asyncio.timeout(LIMIT_S):
            return await self.gaps.get()

    async def next(self) -> str:
        async with asyncio.timeout(LIMIT_S):
            return await self.notices.get()


@asynccontextmanager
async def listening(
    url: str, heard: Heard, most_missed: int = 100, check_every_s: float = 2.0
) -> AsyncIterator[Listener]:
    listener = Listener(
        url,
        {CHANNEL: heard.hear},
        heard,
        most_missed=most_missed,
        check_every_s=check_every_s,
    )
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


async def cut(url: str) -> None:
    """End the listener's connection, as a restart of Postgres does."""
    killer = await asyncpg.connect(url)
    await killer.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
        " and (query ilike 'listen%' or query ilike '%entitlement_versions where%'"
        "      or query ilike 'select pg_snapshot_xmin%')"
    )
    await killer.close()


async def test_beginning_is_a_gap_of_which_nothing_is_known(
    database_url: str, heard: Heard
) -> None:
    async with listening(database_url, heard):
        assert await heard.next_gap() is None


async def test_lost_connection_is_made_anew_and_told(
    database_url: str, writer: Writer, heard: Heard
) -> None:
    async with listening(database_url, heard):
        await heard.next_gap()
        await cut(database_url)
        missed = await heard.next_gap()
        version = await writer.grant("notes")

        assert (missed, heard.losses) == ((), 1)
        assert await heard.next() == f"{writer.client_id}:{version}"


async def test_what_changed_in_a_gap_is_told_after_it(
    database_url: str, writer: Writer, database: Database, heard: Heard
) -> None:
    await writer.grant("old")
    async with listening(database_url, heard):
        await heard.next_gap()
        # Under way when the connection is lost, and committed before there is a new one.
        async with database.transaction() as connection:
            version = await bump_version(connection, writer.client_id)
            await cut(database_url)

        missed = await heard.next_gap()

        # By the notice after all, if the new connection was there first.
        assert missed == ((writer.client_id, version),) or (
            missed == () and await heard.next() == f"{writer.client_id}:{version}"
        )


async def test_more_changes_than_can_be_told_are_told_as_that(
    database_url: str, writer: Writer, heard: Heard
) -> None:
    listener = Listener(database_url, {CHANNEL: heard.hear}, heard, most_missed=0)
    listener._mark = 1
    await writer.grant("notes")
    task = asyncio.create_task(listener.run())

    assert await heard.next_gap() is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_mark_moves_on_while_all_is_well(
    database_url: str, writer: Writer, heard: Heard
) -> None:
    async with listening(database_url, heard, check_every_s=0.01) as listener:
        begun_at = listener._mark
        await writer.grant("notes")
        await heard.next()

        async with asyncio.timeout(LIMIT_S):
            while listener._mark == begun_at:  # noqa: ASYNC110 - nobody is told of it
                await asyncio.sleep(0)

        assert listener._mark is not None
        assert begun_at is not None
        assert listener._mark > begun_at


@pytest.mark.parametrize(
    ("since", "is_told"), [(None, False), (1, True), (2**60, False)], ids=["new", "old", "ahead"]
)
async def test_changes_are_told_since_a_mark_of_this_database(
    database: Database, writer: Writer, since: int | None, is_told: bool
) -> None:
    version = await writer.grant("notes")

    async with database.connection() as connection:
        changes = await read_changes(connection, since, 10)

    assert changes.clients == (((writer.client_id, version),) if is_told else None)


async def test_change_that_ended_before_the_mark_is_not_told_again(
    database: Database, writer: Writer
) -> None:
    await writer.grant("notes")
    async with database.connection() as connection:
        mark = await read_mark(connection)

        assert (await read_changes(connection, mark, 10)).clients == ()


async def test_one_bad_notice_does_not_end_the_others(
    database_url: str, writer: Writer, heard: Heard
) -> None:
    heard.fails = True
    async with listening(database_url, heard):
        await writer.grant("notes")
        version = await writer.grant("wiki")

        assert await heard.next() == f"{writer.client_id}:{version}"


async def test_more_notices_than_fit_are_one_gap_that_ends_with_them(
    database_url: str, heard: Heard
) -> None:
    async with listening(database_url, heard) as listener:
        await heard.next_gap()
        for number in range(30_000):
            listener._receive(None, 0, CHANNEL, f"c:{number}")
        losses, gaps, heard_before = heard.losses, heard.gaps.qsize(), heard.notices.qsize()

        assert (losses, gaps, heard_before) == (1, 0, 0)
        assert await heard.next_gap() is None
        assert (heard.losses, heard.gaps.qsize(), heard.notices.qsize()) == (1, 0, 10_000)


async def test_notices_left_out_before_the_connection_was_lost_are_a_gap_of_everybody(
    database_url: str, heard: Heard
) -> None:
    async with listening(database_url, heard) as listener:
        await heard.next_gap()
        # As it is from the loss of the connection to the next one.
        listener.connected.clear()
        for number in range(10_001):
            listener._receive(None, 0, CHANNEL, f"c:{number}")
        for _ in range(10_000):
            await heard.next()
        assert heard.gaps.empty()
        await cut(database_url)

        assert await heard.next_gap() is None


async def test_many_notices_let_others_come_between(database_url: str, heard: Heard) -> None:
    async with listening(database_url, heard) as listener:
        await heard.next_gap()
        for number in range(1_000):
            listener._receive(None, 0, CHANNEL, f"c:{number}")
        turns = 0
        while heard.notices.qsize() < 1_000:
            await asyncio.sleep(0)
            turns += 1

        assert turns >= 20
