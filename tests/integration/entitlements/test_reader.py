"""The ladder on real stores: memory, then Valkey, then Postgres, one flight a client."""

import asyncio
import uuid
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from billing.entitlements.memory import MemoryStore
from billing.entitlements.reader import EntitlementReader, NoSharedStore, SharedStore
from billing.entitlements.redis_store import RedisStore
from billing.errors import UnavailableError
from billing.storage.pool import Database
from policies.model import Snapshot, Unknown
from tests.integration.entitlements.conftest import Writer
from tests.support.clock import FakeClock


def make_reader(
    database: Database, clock: FakeClock, shared: SharedStore | None = None
) -> EntitlementReader:
    def monotonic() -> float:
        return clock().timestamp()

    memory = MemoryStore(100, 60.0, monotonic)
    return EntitlementReader(memory, shared or NoSharedStore(), database, clock, 5.0)


def apps_of(facts: Snapshot | Unknown) -> set[str]:
    assert isinstance(facts, Snapshot)
    return {grant.app_id for grant in facts.grants}


@pytest.fixture
def reader(database: Database, clock: FakeClock) -> EntitlementReader:
    return make_reader(database, clock)


async def test_client_of_whom_nothing_is_known_is_version_zero(
    reader: EntitlementReader, writer: Writer
) -> None:
    facts = await reader.read(writer.client_id)

    assert isinstance(facts, Snapshot)
    assert (facts.version, facts.grants) == (0, ())


async def test_truth_is_read_once_and_then_remembered(
    reader: EntitlementReader, writer: Writer
) -> None:
    await writer.grant("notes")
    first = await reader.read(writer.client_id)
    # Written behind the reader's back, and not announced to it.
    await writer.grant("wiki")

    second = await reader.read(writer.client_id)

    assert apps_of(first) == apps_of(second) == {"notes"}
    assert reader.find(writer.client_id) == first


async def test_next_read_after_a_notice_sees_the_change(
    reader: EntitlementReader, writer: Writer
) -> None:
    await reader.read(writer.client_id)
    version = await writer.grant("notes")

    await reader.invalidate(writer.client_id, version)

    assert reader.find(writer.client_id) is None
    assert apps_of(await reader.read(writer.client_id)) == {"notes"}


async def test_truth_is_read_past_every_cache(reader: EntitlementReader, writer: Writer) -> None:
    await reader.read(writer.client_id)
    await writer.grant("notes")

    assert apps_of(await reader.read_truth(writer.client_id)) == {"notes"}
    assert apps_of(await reader.read(writer.client_id)) == {"notes"}


async def test_stale_snapshot_of_valkey_is_passed_over_after_a_notice(
    database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    shared = RedisStore(redis, 60, lambda: 0.0)
    old = await make_reader(database, clock, shared).read(writer.client_id)
    version = await writer.grant("notes")
    assert isinstance(old, Snapshot)
    reader = make_reader(database, clock, shared)
    # Only this process has heard of the change; Valkey holds the old snapshot still.
    reader._memory.invalidate(writer.client_id, version)

    facts = await reader.read(writer.client_id)

    assert await shared.find(writer.client_id) == facts
    assert apps_of(facts) == {"notes"}


async def test_second_process_is_served_by_valkey(
    database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    shared = RedisStore(redis, 60, lambda: 0.0)
    await writer.grant("notes")
    first = await make_reader(database, clock, shared).read(writer.client_id)
    await database.close()

    second = await make_reader(database, clock, shared).read(writer.client_id)

    assert second == first


async def test_what_valkey_holds_from_before_a_gap_is_not_believed(
    database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    shared = RedisStore(redis, 60, lambda: 0.0)
    await make_reader(database, clock, shared).read(writer.client_id)
    reader = make_reader(database, clock, shared)
    # Changed while nobody listened: neither this process nor Valkey was told.
    await writer.grant("notes")
    clock.move(seconds=1)

    reader.forget_freshness()

    assert apps_of(await reader.read(writer.client_id)) == {"notes"}


async def test_snapshot_from_valkey_is_as_old_as_it_was_read(
    database: Database, writer: Writer, clock: FakeClock, redis: Redis
) -> None:
    shared = RedisStore(redis, 60, lambda: 0.0)
    await make_reader(database, clock, shared).read(writer.client_id)
    clock.move(seconds=50)
    reader = make_reader(database, clock, shared)

    await reader.read(writer.client_id)

    assert reader.age_s(writer.client_id) == 50


async def test_database_that_only_reads_is_unavailable_and_no_crash(database: Database) -> None:
    with pytest.raises(UnavailableError, match="read-only"):
        async with database.connection() as connection, connection.transaction(readonly=True):
            await connection.execute("select nextval('observations')")


class CountingStore(NoSharedStore):
    """Keeps nothing and counts the looks; every flight passes here exactly once."""

    def __init__(self) -> None:
        self.looks = 0

    async def find(self, client_id: str) -> Snapshot | None:
        self.looks += 1
        return None


async def test_crowd_at_one_door_is_one_flight(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    shared = CountingStore()
    reader = make_reader(database, clock, shared)

    found = await asyncio.gather(*(reader.read(writer.client_id) for _ in range(1_000)))

    assert shared.looks == 1
    assert all(facts == found[0] for facts in found)


async def test_visitor_who_leaves_does_not_end_the_read_of_the_others(
    reader: EntitlementReader, writer: Writer
) -> None:
    await writer.grant("notes")
    leaving = asyncio.create_task(reader.read(writer.client_id))
    staying = asyncio.create_task(reader.read(writer.client_id))
    await asyncio.sleep(0)

    leaving.cancel()

    assert apps_of(await staying) == {"notes"}


async def test_no_flight_is_left_behind(reader: EntitlementReader, writer: Writer) -> None:
    await reader.read(writer.client_id)
    await reader.read_truth(writer.client_id)
    await asyncio.sleep(0)

    assert reader._flights == {}


async def test_database_that_is_gone_makes_facts_unknown_and_never_empty(
    reader: EntitlementReader, writer: Writer, database: Database, clock: FakeClock
) -> None:
    await writer.grant("notes")
    known = await reader.read(writer.client_id)
    await database.close()
    clock.move(seconds=61)

    facts = await reader.read(writer.client_id)

    assert isinstance(facts, Unknown)
    assert reader.find_last_known(writer.client_id) == known


async def test_database_that_hangs_makes_facts_unknown_within_our_time(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    reader = EntitlementReader(
        MemoryStore(10, 60.0, lambda: 0.0), NoSharedStore(), database, clock, 0.2
    )
    async with database.transaction() as connection:
        await connection.execute("lock table grants in access exclusive mode")

        facts = await reader.read(writer.client_id)

    assert isinstance(facts, Unknown)


async def test_facts_older_than_an_announced_change_are_unknown(
    reader: EntitlementReader, writer: Writer
) -> None:
    # A replica that lags, or a database that was restored from a backup.
    await reader.invalidate(writer.client_id, 99)

    assert isinstance(await reader.read(writer.client_id), Unknown)


async def test_id_that_is_no_client_holds_nothing(reader: EntitlementReader) -> None:
    facts = await reader.read(str(uuid.uuid4()))

    assert apps_of(facts) == set()


async def test_read_takes_its_instant_from_the_clock(
    reader: EntitlementReader, writer: Writer, clock: FakeClock
) -> None:
    facts = await reader.read(writer.client_id)

    assert isinstance(facts, Snapshot)
    assert facts == replace(facts, taken_at=clock())
