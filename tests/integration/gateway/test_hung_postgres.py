"""Postgres hangs or is lost again: nobody waits longer than agreed, who is known stays known."""

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bench.trouble.link import Link, open_link
from bench.trouble.servers import postgres_through, socket_of_postgres
from billing.storage.pool import Database
from gateway.directory import ClientDirectory
from gateway.last_known.file import Keys
from tests.support.clock import Seconds
from tests.support.keys import RING

TIMEOUT_S = 0.2
# Far less than asyncpg takes to tell a server that hangs that nobody waits any more.
IN_TIME_S = 3.0
KEYS = Keys.of(b"k" * 32)


@pytest.fixture
async def link(database_url: str) -> AsyncIterator[Link]:
    async with open_link(socket_of_postgres(database_url)) as opened:
        yield opened


@pytest.fixture
async def far_database(database_url: str, link: Link) -> AsyncIterator[Database]:
    """The database at the other end of the link."""
    opened = await Database.open(postgres_through(link, database_url), size=2, ring=RING)
    yield opened
    link.mend()
    await opened.close()


@pytest.fixture
def directory(far_database: Database) -> ClientDirectory:
    return ClientDirectory(
        far_database,
        lambda: datetime.now(UTC),
        KEYS.hash_name,
        timeout_s=TIMEOUT_S,
        monotonic=Seconds(),
    )


async def test_who_gives_up_on_a_database_that_hangs_waits_no_longer(
    far_database: Database, link: Link
) -> None:
    link.silence()

    async with asyncio.timeout(IN_TIME_S):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(TIMEOUT_S), far_database.connection() as connection:
                await connection.fetchval("select 1")


async def test_connection_that_was_given_up_is_lent_again_in_the_end(
    far_database: Database, link: Link
) -> None:
    for _ in range(4):
        link.silence()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(TIMEOUT_S), far_database.connection() as connection:
                await connection.fetchval("select 1")
        link.mend()

    async with far_database.connection() as one, far_database.connection() as other:
        assert [await one.fetchval("select 1"), await other.fetchval("select 2")] == [1, 2]


async def test_client_with_a_token_stays_known_after_a_gap_while_nobody_can_be_asked(
    directory: ClientDirectory, link: Link
) -> None:
    known = await directory.admit("idp:bea", math.inf)
    directory.lost()
    directory.hears()
    await link.cut()

    assert directory.recall("idp:bea", math.inf) is None
    assert await directory.admit("idp:bea", math.inf) == known
    assert [name.client_id for name in directory.known()] == [known]


async def test_client_with_a_token_waits_no_longer_than_agreed_and_the_next_not_at_all(
    directory: ClientDirectory, link: Link
) -> None:
    known = await directory.admit("idp:bea", math.inf)
    directory.lost()
    directory.hears()
    link.silence()

    async with asyncio.timeout(IN_TIME_S):
        assert await directory.admit("idp:bea", math.inf) == known
    async with asyncio.timeout(TIMEOUT_S / 2):
        assert await directory.admit("idp:bea", math.inf) == known
