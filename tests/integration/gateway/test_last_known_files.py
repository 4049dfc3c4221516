"""What a start takes over of the files that it finds, and what it leaves alone."""

import asyncio
import math
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from billing.entitlements.memory import MemoryStore
from billing.storage.pool import Database
from gateway.directory import ClientDirectory
from gateway.last_known.file import Keys, read_file
from gateway.last_known.keeper import LastKnown, Memories, Terms
from gateway.last_known.records import KnownName, KnownSession
from gateway.sessions import SessionStore
from policies.model import Snapshot
from tests.support.clock import FakeClock, Seconds
from tests.support.keys import RING
from tests.support.snapshots import CLIENT, make_grant, make_snapshot

KEYS = Keys.of(b"k" * 32)
LEASE = timedelta(hours=1)
APP = "notes.localhost"
TOKEN_HASH = b"t" * 32


class Process:
    """A process of this name, which knows one client by what its file held, or by `know`."""

    def __init__(self, folder: Path, name: str, clock: FakeClock, database: Database) -> None:
        self._clock = clock
        self.memory = MemoryStore(100, 300.0, Seconds())
        self.sessions = SessionStore(database, clock, host="checkout.localhost", ttl_s=3600)
        self.clients = ClientDirectory(database, clock, KEYS.hash_name)
        memories = Memories(self.memory, self.sessions, self.clients)
        self.last_known = LastKnown(folder, name, KEYS, Terms(1.0, LEASE), memories, clock)

    def know(self, snapshot: Snapshot) -> None:
        now = self._clock()
        self.memory.put(snapshot)
        session = KnownSession(TOKEN_HASH, snapshot.client_id, APP, now + timedelta(days=1))
        self.sessions.seeds.put(TOKEN_HASH, session)
        name_hash = KEYS.hash_name("ann")
        self.clients.seeds.put(name_hash, KnownName(name_hash, snapshot.client_id))


Start = Callable[[str], Process]


@pytest.fixture
async def database(database_url: str) -> Database:
    """A database that answers nobody."""
    closed = await Database.open(database_url, size=2, ring=RING)
    await closed.close()
    return closed


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "last-known"
    made.mkdir()
    return made


@pytest.fixture
def start(folder: Path, clock: FakeClock, database: Database) -> Start:
    return lambda name: Process(folder, name, clock, database)


async def test_client_is_known_by_session_and_name_and_never_as_fresh(
    start: Start, clock: FakeClock
) -> None:
    before, after = start("serve"), start("serve")
    before.know(make_snapshot(make_grant(), version=3))
    await before.last_known.write()

    await after.last_known.load()

    known = after.memory.find_last_known(CLIENT)
    assert known is not None
    assert (known.version, known.grants[0].until_at) == (3, clock() + LEASE)
    assert after.memory.find_fresh(CLIENT) is None
    assert [s.token_hash for s in after.sessions.known()] == [TOKEN_HASH]
    assert await after.clients.admit("ann", math.inf) == CLIENT


@pytest.mark.parametrize("order", [(3, 4), (4, 3)])
async def test_newest_version_of_all_files_is_taken(
    start: Start, clock: FakeClock, order: tuple[int, int]
) -> None:
    for name, version in zip(("worker-1", "worker-2"), order, strict=True):
        process = start(name)
        # What the older version had was taken back.
        facts = [make_grant()] if version == 3 else []
        process.know(make_snapshot(*facts, version=version))
        await process.last_known.write()
        clock.move(seconds=1)
    after = start("worker-3")

    await after.last_known.load()

    known = after.memory.find_last_known(CLIENT)
    assert known is not None
    assert (known.version, known.grants) == (4, ())


async def test_file_whose_lease_is_over_is_removed(
    start: Start, clock: FakeClock, folder: Path
) -> None:
    before, after = start("worker-7"), start("worker-1")
    before.know(make_snapshot(make_grant()))
    await before.last_known.write()

    clock.move(hours=1)
    await after.last_known.load()

    assert after.memory.find_last_known(CLIENT) is None
    assert names_in(folder) == []


async def test_file_from_the_future_is_refused(start: Start, clock: FakeClock) -> None:
    before, after = start("serve"), start("serve")
    before.know(make_snapshot(make_grant()))
    await before.last_known.write()

    clock.move(hours=-2)
    await after.last_known.load()

    assert after.memory.find_last_known(CLIENT) is None


async def test_what_was_taken_over_is_written_again_and_lasts_no_longer(
    start: Start, clock: FakeClock, folder: Path
) -> None:
    before, between = start("serve"), start("serve")
    before.know(make_snapshot(make_grant()))
    await before.last_known.write()
    ends_at = clock() + LEASE
    clock.move(minutes=30)

    await between.last_known.load()
    await between.last_known.write()

    (record,) = read_file(folder / "serve.last-known", KEYS.signing).records
    assert record.snapshot.grants[0].until_at == ends_at
    assert [session.until_at for session in record.sessions] == [ends_at]
    assert [name.until_at for name in record.names] == [ends_at]


async def test_what_a_killed_writer_left_is_removed_and_that_of_others_is_not(
    start: Start, folder: Path
) -> None:
    # No process has this number; Linux gives none above 4,194,304.
    (folder / "serve.last-known.9999999").write_bytes(b"half")
    (folder / f"worker-1.last-known.{os.getppid()}").write_bytes(b"half")
    (folder / "notes.txt").write_text("of somebody")

    await start("serve").last_known.load()

    assert names_in(folder) == [
        "notes.txt",
        f"worker-1.last-known.{os.getppid()}",
    ]


async def test_who_has_paid_goes_before_who_has_not(start: Start, folder: Path) -> None:
    process = start("serve")
    for number in range(4):
        client_id = f"5b0a3f1e-0000-4000-8000-00000000000{number}"
        facts = [make_grant()] if number % 2 else []
        process.memory.put(make_snapshot(*facts, client_id=client_id))
        name_hash = KEYS.hash_name(str(number))
        process.clients.seeds.put(name_hash, KnownName(name_hash, client_id))

    await process.last_known.write()

    records = read_file(folder / "serve.last-known", KEYS.signing).records
    assert [bool(record.snapshot.grants) for record in records] == [True, True, False, False]


async def test_a_writing_that_is_cut_off_leaves_no_thread_to_meet_the_next(
    start: Start, folder: Path
) -> None:
    process = start("serve")
    process.know(make_snapshot(make_grant(plan="x" * 30_000_000)))
    writing = asyncio.create_task(process.last_known.write())
    while not names_in(folder):  # noqa: ASYNC110 - of a thread nobody tells
        await asyncio.sleep(0)

    writing.cancel()
    await asyncio.wait((writing,))

    assert writing.cancelled()
    assert names_in(folder) == ["serve.last-known"]


async def test_what_cannot_be_removed_keeps_no_file_from_being_read(
    start: Start, folder: Path
) -> None:
    before, after = start("worker-1"), start("serve")
    before.know(make_snapshot(make_grant()))
    await before.last_known.write()
    (folder / "serve.last-known.9999999").mkdir()

    await after.last_known.load()

    assert after.memory.find_last_known(CLIENT) is not None
