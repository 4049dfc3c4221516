"""Writes what this process knows now and then, and reads at the start what others of us knew."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import structlog

from billing.entitlements.memory import MemoryStore
from billing.ports import Clock
from gateway.directory import ClientDirectory
from gateway.last_known.file import BadFileError, Contents, Keys, read_file, write_file
from gateway.last_known.records import KnownName, KnownSession, Record, leased, pack
from gateway.run_folder import is_alive
from gateway.sessions import SessionStore
from policies.model import Snapshot

_log = structlog.get_logger("gateway.last_known")

_T = TypeVar("_T")

_ENDING: Final = ".last-known"
# Some 20 MB; who comes with a known session or token and has paid goes first.
_MOST_CLIENTS: Final = 50_000
# Of one client: programs sign in again and again.
_MOST_OF_CLIENT: Final = 100
# What is taken over comes in after it all the same, with visitors being served already.
_LOADING_S: Final = 5.0
# Looked at in one go, a third of a millisecond's work; requests come between.
_AT_ONCE: Final = 50
# Clocks of machines that share a folder may differ by less.
_AHEAD: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Memories:
    """Where a process has what it knows."""

    snapshots: MemoryStore
    sessions: SessionStore
    clients: ClientDirectory


@dataclass(frozen=True, slots=True)
class Terms:
    """How often is written, and for how long a client is served by what was written."""

    every_s: float
    lease: timedelta


class LastKnown:
    """The file of this process, and at the start those of all that used the folder.

    `now` is the clock by which entitlements end. `told` is since when clients are served by what
    files held, None if they are not; whoever sees that Postgres answers, may say so.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        keys: Keys,
        terms: Terms,
        memories: Memories,
        now: Clock,
    ) -> None:
        self._folder = folder
        self._path = folder / f"{name}{_ENDING}"
        self._keys = keys
        self._terms = terms
        self._memories = memories
        self._now = now
        self._busy = asyncio.Lock()
        self._loading: asyncio.Task[None] | None = None
        self.told: str | None = None

    async def start(self) -> None:
        """Begin to take over what files hold, and wait for it, but not for long."""
        self._loading = asyncio.create_task(self.load(), name="loading what was last known")
        await asyncio.wait((self._loading,), timeout=_LOADING_S)

    async def load(self) -> None:
        """Take over what files hold; what is wrong with one is told in the log, and harms none."""
        async with self._busy:
            try:
                with _uncollected():
                    await self._load()
            except Exception:  # noqa: BLE001 - the top of a task: visitors are served all the same
                _log.exception("last_known_failed")

    async def _load(self) -> None:
        now = self._now()
        known: dict[str, Record] = {}
        try:
            paths = await asyncio.to_thread(self._list)
        except OSError as error:
            _log.error("last_known_refused", path=str(self._folder), why=error.strerror)
            return
        for path in paths:
            contents = await self._read(path, now)
            if contents is None or not contents.records:
                continue
            until_at = contents.written_at + self._terms.lease
            async for record in _in_turns(contents.records):
                _merge(known, leased(record, until_at))
            self.told = f"clients are served by what was known at {contents.written_at:%FT%TZ}"
        async for record in _in_turns(known.values()):
            self._seed(record)
        if known:
            _log.info("last_known_loaded", clients=len(known))

    async def keep(self) -> None:
        """Write again and again, for ever."""
        while True:
            await asyncio.sleep(self._terms.every_s)
            try:
                await self.write()
            except Exception:  # noqa: BLE001 - the top of a task: visitors are served all the same
                _log.exception("last_known_failed")

    async def stop(self) -> None:
        """Write for the last time; a start that was cut off has nothing to tell."""
        loading = self._loading
        if loading is not None and not loading.done():
            loading.cancel()
            await asyncio.wait((loading,))
            return
        await self.write()

    async def write(self) -> None:
        """Write what is known now; where that cannot be, the log tells it."""
        async with self._busy:
            now = self._now()
            with _uncollected():
                packed = await self._pack(now)
            writing = asyncio.create_task(asyncio.to_thread(self._write, now, packed))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                # Its thread goes on, and the last writing must not meet it.
                await asyncio.wait((writing,))
                raise
            except OSError as error:
                _log.error("last_known_not_written", path=str(self._path), why=error.strerror)

    def _list(self) -> list[Path]:
        """Return the files, the newest last; what a process left that was killed is removed."""
        found = []
        with suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                pid = path.suffix[1:]
                if path.suffix == _ENDING:
                    with suppress(FileNotFoundError):  # Another process that starts removed it.
                        found.append((path.lstat().st_mtime_ns, path))
                elif path.stem.endswith(_ENDING) and pid.isdigit() and not is_alive(int(pid)):
                    _remove(path)
        return [path for _, path in sorted(found)]

    async def _read(self, path: Path, now: datetime) -> Contents | None:
        try:
            contents = await asyncio.to_thread(read_file, path, self._keys.signing)
        except (BadFileError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            _log.error("last_known_refused", path=str(path), why=why)
            return None
        if contents.written_at > now + _AHEAD:
            why = "it was written later than it is now: a clock was set back"
            _log.error("last_known_refused", path=str(path), why=why)
            return None
        if contents.written_at + self._terms.lease <= now:
            _log.info("last_known_over", path=str(path), written_at=str(contents.written_at))
            await asyncio.to_thread(_remove, path)
            return None
        return contents

    def _seed(self, record: Record) -> None:
        memories = self._memories
        memories.snapshots.seed(record.snapshot)
        for session in record.sessions:
            memories.sessions.seeds.put(session.token_hash, session)
        for name in record.names:
            memories.clients.seeds.put(name.name_hash, name)

    async def _pack(self, now: datetime) -> list[bytes]:
        """Return whom to write down: who has paid before who has not, and not too many."""
        sessions: dict[str, list[KnownSession]] = {}
        names: dict[str, list[KnownName]] = {}
        async for session in _in_turns(self._memories.sessions.known()):
            if session.expires_at > now:
                sessions.setdefault(session.client_id, []).append(session)
        async for name in _in_turns(self._memories.clients.known()):
            names.setdefault(name.client_id, []).append(name)
        paid: list[bytes] = []
        unpaid: list[bytes] = []
        async for client_id in _in_turns({**sessions, **names}):
            snapshot = self._memories.snapshots.peek(client_id)
            if snapshot is None:
                continue
            record = Record(
                snapshot,
                tuple(sessions.get(client_id, ())[-_MOST_OF_CLIENT:]),
                tuple(names.get(client_id, ())[-_MOST_OF_CLIENT:]),
            )
            if record.is_paid(now):
                paid.append(pack(record))
            elif len(unpaid) < _MOST_CLIENTS:
                unpaid.append(pack(record))
            if len(paid) == _MOST_CLIENTS:
                break
        return (paid + unpaid)[:_MOST_CLIENTS]

    def _write(self, now: datetime, packed: list[bytes]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(self._path, self._keys.signing, now, packed)


def _remove(path: Path) -> None:
    """Remove what is of no use; what cannot be removed is in nobody's way."""
    with suppress(OSError):
        path.unlink()


def _merge(known: dict[str, Record], record: Record) -> None:
    """Keep of two records the newer snapshot; whoever knows of a session or name knows it."""
    client_id = record.snapshot.client_id
    other = known.get(client_id)
    if other is not None:
        newer = max(other.snapshot, record.snapshot, key=_rank)
        record = Record(newer, other.sessions + record.sessions, other.names + record.names)
    known[client_id] = record


def _rank(snapshot: Snapshot) -> tuple[int, datetime]:
    ends = (grant.until_at for grant in snapshot.grants if grant.until_at is not None)
    return snapshot.version, max(ends, default=snapshot.taken_at)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let nobody look for reference cycles within.

    Many objects come and go here, of which none is part of one. Where the collector takes them as
    the sign to look through everything, all visitors stand still for a tenth of a second or more.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


async def _in_turns(items: Iterable[_T]) -> AsyncIterator[_T]:
    """Iterate and let requests come between."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
