"""When a snapshot that another process left in Redis is believed, on a real Valkey."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from billing.storage.pool import Database
from gateway.embedded.valkey import EmbeddedValkey
from policies.model import Snapshot, Unknown
from tests.integration.entitlements.conftest import Process, Writer, make_process, trusting
from tests.support.clock import FakeClock
from tests.support.keys import RING


def apps_of(facts: Snapshot | Unknown | None) -> set[str]:
    assert isinstance(facts, Snapshot)
    return {grant.app_id for grant in facts.grants}


@pytest.fixture
async def first(database: Database, clock: FakeClock, redis: Redis) -> Process:
    return await trusting(make_process(database, clock, redis))


@pytest.fixture
async def other_database(database_url: str) -> AsyncIterator[Database]:
    """The same database through a pool of its own, so that one process may lose it alone."""
    opened = await Database.open(database_url, size=2, ring=RING)
    yield opened
    await opened.close()


async def push_out(process: Process) -> None:
    """Have the process forget every client that it knows, as a crowd of others does."""
    for _ in range(6):
        await process.reader.read_truth(str(uuid.uuid4()))


async def test_second_process_is_served_by_redis(
    first: Process, writer: Writer, clock: FakeClock, redis: Redis, other_database: Database
) -> None:
    second = await trusting(make_process(other_database, clock, redis))
    await writer.grant("notes")
    known = await first.read(writer.client_id)
    await other_database.close()

    assert await second.read(writer.client_id) == known
    assert second.reader.find(writer.client_id) == known


async def test_snapshot_from_redis_is_as_old_as_it_was_read(
    first: Process, database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    second = await trusting(make_process(database, clock, redis))
    await first.read(writer.client_id)
    clock.move(seconds=50)

    await second.read(writer.client_id)

    assert second.reader.age_s(writer.client_id) == 50


async def test_older_snapshot_of_redis_is_passed_over_after_a_notice(
    first: Process, database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    second = await trusting(make_process(database, clock, redis))
    await first.read(writer.client_id)
    version = await writer.grant("notes")
    # Redis holds the old snapshot still.
    second.reader.hear(writer.client_id, version)

    facts = await second.read(writer.client_id)

    assert apps_of(facts) == {"notes"}
    assert await second.find_shared(writer.client_id) == facts


async def test_what_is_older_than_the_process_is_not_believed(
    first: Process, database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    await first.read(writer.client_id)
    # Nobody who heard of it could tell Redis.
    await writer.grant("notes")

    second = await trusting(make_process(database, clock, redis))

    assert apps_of(await second.read(writer.client_id)) == {"notes"}


async def test_what_is_older_than_a_gap_is_not_believed(
    first: Process, database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    second = await trusting(make_process(database, clock, redis))
    await first.read(writer.client_id)
    second.reader.lost()
    await writer.grant("notes")
    second.reader.hears(None)

    assert apps_of(await second.read(writer.client_id)) == {"notes"}


async def test_nothing_is_believed_while_notices_go_unheard(
    first: Process, database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    second = make_process(database, clock, redis)
    second.reader.lost()
    # Read from Postgres while deaf: that is no ground to believe Redis from there on.
    await trusting(second)
    await first.read(writer.client_id)
    await writer.grant("notes")

    assert apps_of(await second.read(writer.client_id)) == {"notes"}


async def test_what_was_being_read_during_a_gap_ends_no_doubt(
    database: Database, writer: Writer, clock: FakeClock, redis: Redis, first: Process
) -> None:
    second = await trusting(make_process(database, clock, redis))
    begun_before = second.reader._trust.doubts
    await first.read(writer.client_id)
    second.reader.lost()
    second.reader.hears([])

    second.reader._trust.learn(0, begun_before)

    assert not second.reader._trust.covers(2**60)


async def test_lost_invalidation_is_never_believed_over(
    first: Process, database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    """Redis is away when a change comes; the process has long forgotten the client by then."""
    second = await trusting(make_process(database, clock, redis, clients=4))
    await first.read(writer.client_id)
    second.shared._rest.failed()
    version = await writer.grant("notes")
    second.reader.outdate(writer.client_id, version)
    await push_out(second)
    second.shared._rest.succeeded()

    facts = await second.reader.read(writer.client_id)

    assert apps_of(facts) == {"notes"}
    await second.reader.settled()
    assert second.reader._owed.floor(writer.client_id) == -1


async def test_flushed_redis_is_a_miss_and_not_a_way_back(
    first: Process, database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    second = await trusting(make_process(database, clock, redis))
    old = await first.read(writer.client_id)
    assert isinstance(old, Snapshot)
    version = await writer.grant("notes")
    await first.hear(writer.client_id, version)
    await second.hear(writer.client_id, version)
    await redis.flushall()
    # Who read before the change is slow, and finds nothing in Redis that forbids it.
    await second.shared.put(old, 0)

    assert apps_of(await first.read(writer.client_id)) == {"notes"}
    assert apps_of(await second.read(writer.client_id)) == {"notes"}


async def test_while_postgres_fails_redis_is_the_last_known_and_never_fresh(
    first: Process, other_database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    await writer.grant("notes")
    known = await first.read(writer.client_id)
    second = make_process(other_database, clock, redis)
    await other_database.close()

    facts = await second.read(writer.client_id)

    assert isinstance(facts, Unknown)
    assert second.reader.find(writer.client_id) is None
    assert second.reader.find_last_known(writer.client_id) == known


async def test_who_is_known_and_shared_finds_out_that_postgres_is_back(
    first: Process, writer: Writer
) -> None:
    await first.read(writer.client_id)
    first.reader.lost()
    first.reader.hears(None)
    for _ in range(2):
        first.reader._rest.failed()

    at_once = await first.read(writer.client_id)
    first.monotonic.now_s += 1
    later = await first.read(writer.client_id)

    assert isinstance(at_once, Unknown)
    assert isinstance(later, Snapshot)


async def test_what_a_notice_outdated_is_not_even_last_known(
    first: Process, other_database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    await first.read(writer.client_id)
    second = make_process(other_database, clock, redis)
    version = await writer.grant("notes")
    await other_database.close()
    # Heard from another process, before Redis' snapshot was dropped.
    second.reader.hear(writer.client_id, version)

    await second.read(writer.client_id)

    assert second.reader.find_last_known(writer.client_id) is None


async def test_redis_that_comes_back_with_old_contents_is_not_believed(
    database: Database, writer: Writer, clock: FakeClock, tmp_path: Path
) -> None:
    valkey = EmbeddedValkey(tmp_path / "valkey", tmp_path / "run")
    redis: Redis = Redis.from_url(await valkey.start())
    process = await trusting(make_process(database, clock, redis, clients=4))
    await process.read(writer.client_id)
    key = f"tollway:entitlement:2:{writer.client_id}"
    saved = await redis.dump(key) or b""
    version = await writer.grant("notes")
    await process.hear(writer.client_id, version)
    # A server takes its place that never got the last writes.
    await valkey.stop()
    await valkey.start()
    await redis.restore(key, 0, saved, replace=True)
    await push_out(process)

    facts = await process.read(writer.client_id)
    await redis.aclose()
    await valkey.stop()

    assert apps_of(facts) == {"notes"}
