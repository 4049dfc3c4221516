"""Clients by the names in tokens, while Postgres or its notices fail."""

import asyncio
import math
from datetime import timedelta

import pytest

from billing.storage.pool import Database
from gateway.clock import wall
from gateway.directory import ClientDirectory
from gateway.last_known.file import Keys
from gateway.last_known.records import KnownName
from tests.support.clock import FakeClock, Seconds
from tests.support.keys import RING
from tests.support.snapshots import CLIENT

KEYS = Keys.of(b"k" * 32)


@pytest.fixture
def monotonic() -> Seconds:
    return Seconds()


@pytest.fixture
def directory(database: Database, clock: FakeClock, monotonic: Seconds) -> ClientDirectory:
    return ClientDirectory(database, clock, KEYS.hash_name, monotonic=monotonic)


async def test_client_is_remembered_for_as_long_as_closings_are_heard(
    directory: ClientDirectory, monotonic: Seconds
) -> None:
    known = await directory.admit("idp:bea", math.inf)
    monotonic.now_s += 1e6

    assert directory.recall("idp:bea", math.inf) == known


async def test_client_is_remembered_for_seconds_only_while_closings_go_unheard(
    directory: ClientDirectory, monotonic: Seconds
) -> None:
    known = await directory.admit("idp:bea", math.inf)
    monotonic.now_s += 60

    directory.lost()
    monotonic.now_s += 5
    at_first = directory.recall("idp:bea", math.inf)
    monotonic.now_s += 1

    assert (at_first, directory.recall("idp:bea", math.inf)) == (known, None)


async def test_after_a_gap_everybody_is_asked_about_and_then_remembered(
    directory: ClientDirectory,
) -> None:
    known = await directory.admit("idp:bea", math.inf)

    directory.hears()
    after = directory.recall("idp:bea", math.inf)
    await directory.admit("idp:bea", math.inf)

    assert (after, directory.recall("idp:bea", math.inf)) == (None, known)


async def test_who_was_known_before_a_gap_stays_known_while_nobody_can_be_asked(
    directory: ClientDirectory, database: Database
) -> None:
    known = await directory.admit("idp:bea", math.inf)
    directory.hears()
    await database.close()

    assert await directory.admit("idp:bea", math.inf) == known


async def test_one_a_second_waits_for_a_database_that_hangs(
    database_url: str, monotonic: Seconds
) -> None:
    database = await Database.open(database_url, size=1, ring=RING)
    directory = ClientDirectory(database, wall, KEYS.hash_name, monotonic=monotonic)
    name_hash = KEYS.hash_name("idp:bea")
    directory.seeds.put(name_hash, KnownName(name_hash, CLIENT, wall() + timedelta(hours=1)))
    async with database.connection():
        async with asyncio.timeout(4):
            first = await directory.admit("idp:bea", math.inf)
        monotonic.now_s += 1
        asking = [asyncio.create_task(directory.admit("idp:bea", math.inf)) for _ in range(5)]
        await asyncio.wait(asking, timeout=0.5)
        done = [task.done() for task in asking]
        found = await asyncio.gather(*asking)
    await database.close()

    assert done == [False, True, True, True, True]
    assert [first, *found] == [CLIENT] * 6
