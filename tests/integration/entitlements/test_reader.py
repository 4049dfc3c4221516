"""The ladder on real stores: memory, then Valkey, then Postgres, one flight a client."""

import asyncio
import uuid
from dataclasses import replace

import pytest

from billing.entitlements.memory import MemoryStore
from billing.entitlements.reader import EntitlementReader
from billing.entitlements.shared import NoSharedStore, Shared, SharedStore
from billing.errors import UnavailableError
from billing.storage.pool import Database
from policies.model import Snapshot, Unknown
from tests.integration.entitlements.conftest import Writer
from tests.support.clock import FakeClock


def make_reader(
    database: Database,
    clock: FakeClock,
    shared: SharedStore | None = None,
    *,
    timeout_s: float = 5.0,
    most_flights: int = 1_000,
    clients: int = 100,
) -> EntitlementReader:
    def monotonic() -> float:
        return clock().timestamp()

    memory = MemoryStore(clients, 60.0, monotonic)
    return EntitlementReader(
        memory,
        shared or NoSharedStore(),
        database,
        clock,
        timeout_s,
        most_flights=most_flights,
    )


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


async def test_database_that_only_reads_is_unavailable_and_no_crash(database: Database) -> None:
    with pytest.raises(UnavailableError, match="read-only"):
        async with database.connection() as connection, connection.transaction(readonly=True):
            await connection.execute("select nextval('observations')")


class CountingStore(NoSharedStore):
    """Keeps nothing and counts the looks; every flight passes here exactly once."""

    def __init__(self) -> None:
        self.looks = 0

    async def find(self, client_id: str) -> Shared | None:
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


async def test_while_postgres_fails_the_known_do_not_wait_for_it(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    await writer.grant("notes")
    reader = make_reader(database, clock, timeout_s=0.2)
    await reader.read(writer.client_id)
    clock.move(seconds=61)

    async with database.transaction() as connection:
        await connection.execute("lock table grants in access exclusive mode")
        failed = [await reader.read(writer.client_id) for _ in range(2)]
        again = await reader.read(writer.client_id)

    assert failed == [Unknown("Postgres did not answer in time")] * 2
    assert again == Unknown("Postgres did not answer a moment ago")


async def test_one_read_in_vain_refuses_no_other_client(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    await writer.grant("notes")
    reader = make_reader(database, clock, timeout_s=0.2)
    await reader.read(writer.client_id)
    clock.move(seconds=61)
    async with database.transaction() as connection:
        await connection.execute("lock table grants in access exclusive mode")
        await reader.read(str(uuid.uuid4()))

    assert apps_of(await reader.read(writer.client_id)) == {"notes"}


async def test_a_second_after_a_failure_one_read_tries_again(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    await writer.grant("notes")
    reader = make_reader(database, clock, timeout_s=0.2)
    await reader.read(writer.client_id)
    clock.move(seconds=61)
    async with database.transaction() as connection:
        await connection.execute("lock table grants in access exclusive mode")
        for _ in range(2):
            await reader.read(writer.client_id)
    clock.move(seconds=1)

    assert apps_of(await reader.read(writer.client_id)) == {"notes"}


async def test_who_was_never_seen_is_read_however_often_others_failed(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    reader = make_reader(database, clock, timeout_s=0.2)
    async with database.transaction() as connection:
        await connection.execute("lock table grants in access exclusive mode")
        await reader.read(str(uuid.uuid4()))

    assert apps_of(await reader.read(writer.client_id)) == set()


async def test_more_reads_at_once_than_allowed_are_unknown_and_no_queue(
    database: Database, clock: FakeClock
) -> None:
    reader = make_reader(database, clock, most_flights=3)

    found = await asyncio.gather(*(reader.read(str(uuid.uuid4())) for _ in range(5)))

    assert [isinstance(facts, Unknown) for facts in found] == [False] * 3 + [True] * 2


async def test_whoever_asked_for_it_is_told_of_changes(
    reader: EntitlementReader, writer: Writer
) -> None:
    heard: list[str | None] = []
    reader.subscribe(heard.append)

    await reader.invalidate(writer.client_id, 1)
    reader.hears([(writer.client_id, 2)])
    reader.hears(None)

    assert heard == [writer.client_id, writer.client_id, None]


async def test_gap_that_can_be_told_leaves_all_others_warm(
    reader: EntitlementReader, writer: Writer
) -> None:
    other = str(uuid.uuid4())
    await reader.read(writer.client_id)
    await reader.read(other)
    version = await writer.grant("notes")

    reader.lost()
    reader.hears([(writer.client_id, version)])

    assert reader.find(writer.client_id) is None
    assert reader.find(other) is not None


async def test_gap_that_cannot_be_told_makes_all_be_read_anew(
    reader: EntitlementReader, writer: Writer
) -> None:
    await reader.read(writer.client_id)
    await writer.grant("notes")

    reader.lost()
    reader.hears(None)

    assert reader.find(writer.client_id) is None
    assert apps_of(await reader.read(writer.client_id)) == {"notes"}


async def test_change_that_memory_has_no_room_to_remember_outdates_the_read_under_way(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    reader = make_reader(database, clock, clients=2)
    async with database.transaction() as connection:
        await connection.execute("lock table grants in access exclusive mode")
        reading = asyncio.create_task(reader.read(writer.client_id))
        await asyncio.sleep(0)
        reader.outdate(writer.client_id, 99)
        for _ in range(5):
            reader.outdate(str(uuid.uuid4()), 1)

    assert isinstance(await reading, Unknown)
    # Once nobody reads, nothing is kept of it.
    assert reader._overtaken == {}


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
