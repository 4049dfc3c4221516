"""Reads what a client holds: memory, then Valkey, then Postgres, one flight a client."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from billing.entitlements.codec import to_snapshot
from billing.entitlements.errands import Errands
from billing.entitlements.invalidation import Missed
from billing.entitlements.memory import MemoryStore
from billing.entitlements.owed import Owed
from billing.entitlements.refreshing import NoRefreshing
from billing.entitlements.rest import Rest
from billing.entitlements.shared import Shared, SharedStore
from billing.entitlements.trust import Trust
from billing.errors import UnavailableError
from billing.ports import Clock
from billing.storage.grants import read_snapshot_row
from billing.storage.pool import Database
from policies.model import Snapshot, Unknown

# Reads under way, of a client each. More are a stampede of clients who were never here, and would
# only wait for the database longer than a look-up may take.
_MOST_FLIGHTS: Final = 10_000
# Snapshots on their way to the shared cache; of more it is not told.
_MOST_PUTS: Final = 1_000
# One read in vain is a connection that was cut, or one slow row, and refuses nobody else.
_FAILURES: Final = 2
_RESTS: Final = "Postgres did not answer a moment ago"


_Flight = tuple[str, bool]
"""The read of a client, and whether it looks into the shared cache."""


class Refresh(Protocol):
    """Has the provider asked; `refreshing.Refreshing`, or `NoRefreshing`."""

    def may_ask(self, client_id: str) -> bool:
        """Tell whether asking is of use now."""
        ...

    async def ask(self, client_id: str) -> None:
        """Return once our rows are as the provider says, or it cannot be had in about a second."""
        ...


_NO_REFRESHING: Final = NoRefreshing()


class EntitlementReader:
    """The cache ladder. Unknown is a value here: no store's failure raises."""

    def __init__(
        self,
        memory: MemoryStore,
        shared: SharedStore,
        database: Database,
        clock: Clock,
        timeout_s: float,
        refresh: Refresh = _NO_REFRESHING,
        *,
        trust: Trust | None = None,
        most_flights: int = _MOST_FLIGHTS,
    ) -> None:
        self._memory = memory
        self._shared = shared
        self._database = database
        self._clock = clock
        self._timeout_s = timeout_s
        self._refresh = refresh
        self._trust = trust or Trust()
        self._most_flights = most_flights
        self._owed = Owed(shared, self._trust.doubt)
        self._rest = Rest(memory.monotonic, _FAILURES)
        self._flights: dict[_Flight, asyncio.Task[Snapshot | Unknown]] = {}
        # Versions heard of since a flight began: memory may have been filled by others meanwhile.
        self._overtaken: dict[str, int] = {}
        self._puts = Errands(_MOST_PUTS)
        self._subscribers: list[Callable[[str | None], None]] = []

    def subscribe(self, heard: Callable[[str | None], None]) -> None:
        """Call `heard` with each client whose facts change from now on; None is any of them."""
        self._subscribers.append(heard)

    def find(self, client_id: str) -> Snapshot | None:
        """Return a fresh snapshot from memory without waiting, or None."""
        return self._memory.find_fresh(client_id)

    def find_last_known(self, client_id: str) -> Snapshot | None:
        """Return the last snapshot seen that no later version is known to replace."""
        return self._memory.find_last_known(client_id)

    def age_s(self, client_id: str) -> float:
        """Return how old the snapshot in memory is, in seconds."""
        return self._memory.age_s(client_id)

    async def read(self, client_id: str) -> Snapshot | Unknown:
        """Return the client's snapshot from the nearest store that has it."""
        return self._memory.find_fresh(client_id) or await self._fly(client_id, shared=True)

    async def read_truth(self, client_id: str) -> Snapshot | Unknown:
        """Return the client's snapshot from Postgres, whatever the caches hold."""
        return await self._fly(client_id, shared=False)

    def may_refresh(self, client_id: str) -> bool:
        """Tell whether the provider can be asked about the client: once a minute."""
        return self._refresh.may_ask(client_id)

    async def read_refreshed(self, client_id: str) -> Snapshot | Unknown:
        """Return the client's snapshot from Postgres, after its provider was asked.

        What the provider does not answer in about a second, stays as it was.
        """
        await self._refresh.ask(client_id)
        return await self.read_truth(client_id)

    async def invalidate(self, client_id: str, version: int) -> None:
        """Take note that the client's facts are at `version` now; see `outdate`."""
        self.outdate(client_id, version)

    def outdate(self, client_id: str, version: int) -> None:
        """Take note that the client's facts are at `version` now, and have Redis told of it."""
        self.hear(client_id, version)
        self._owed.add(client_id, version)

    def hear(self, client_id: str, version: int) -> None:
        """Take note that the client's facts are at `version`, as Redis knows already."""
        self._memory.invalidate(client_id, version)
        if (client_id, True) in self._flights or (client_id, False) in self._flights:
            self._overtaken[client_id] = max(version, self._overtaken.get(client_id, -1))
        self._tell(client_id)

    def lost(self) -> None:
        """Changes may go unheard from now on (`invalidation.Ears`)."""
        self._memory.hear(is_hearing=False)
        self._trust.hear(is_hearing=False)

    def hears(self, missed: Missed) -> None:
        """All changes are heard from now on; what was missed is read anew on next use."""
        if missed is None:
            self._memory.expire_all()
            self._tell(None)
        else:
            for client_id, version in missed:
                self.outdate(client_id, version)
        self._memory.hear(is_hearing=True)
        self._trust.hear(is_hearing=True)

    def _tell(self, client_id: str | None) -> None:
        for heard in self._subscribers:
            heard(client_id)

    async def settled(self) -> None:
        """Return once Redis was told of all that it was to be told of until now."""
        await self._puts.settled()
        await self._owed.settled()

    async def _fly(self, client_id: str, *, shared: bool) -> Snapshot | Unknown:
        """Join the read of this client that is under way, or begin one.

        Shielded: a visitor who leaves must not end the read that others wait for.
        """
        key = client_id, shared
        flight = self._flights.get(key)
        if flight is None:
            if len(self._flights) >= self._most_flights:
                return Unknown("too many wait for the facts of other clients")
            # While Postgres fails, who can be served by what was last known need not wait for it.
            is_known = not self._rest.is_over and self.find_last_known(client_id) is not None
            if is_known and not self._rest.may_try():
                return Unknown(_RESTS)
            flight = asyncio.create_task(
                self._load(client_id, shared=shared, is_sent=is_known),
                name=f"entitlement:{client_id}",
            )
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._land(client_id, shared=shared))
        return await asyncio.shield(flight)

    def _land(self, client_id: str, *, shared: bool) -> None:
        del self._flights[client_id, shared]
        if (client_id, not shared) not in self._flights:
            self._overtaken.pop(client_id, None)

    async def _load(self, client_id: str, *, shared: bool, is_sent: bool) -> Snapshot | Unknown:
        """Climb down the ladder; `is_sent` goes on to a Postgres that fails, to try it."""
        found: Shared | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                if shared:
                    found = await self._shared.find(client_id)
                if found is not None:
                    if (kept := self._keep(found)) is not None:
                        return kept
                    if not is_sent and not self._rest.is_over and not self._rest.may_try():
                        return self._fall_back(found, _RESTS)
                read = await self._load_truth(client_id)
        except UnavailableError as error:
            self._rest.failed()
            return self._fall_back(found, str(error))
        except TimeoutError:
            self._rest.failed()
            return self._fall_back(found, "Postgres did not answer in time")
        self._rest.succeeded()
        return read

    def _keep(self, found: Shared) -> Snapshot | None:
        """Keep a snapshot of the shared cache, unless it may be outdated."""
        snapshot = found.snapshot
        if not self._trust.covers(found.as_of) or self._is_outdated(snapshot):
            return None
        age_s = (self._clock() - snapshot.taken_at).total_seconds()
        return self._memory.put(snapshot, max(0.0, age_s))

    def _is_outdated(self, snapshot: Snapshot) -> bool:
        client_id = snapshot.client_id
        floor = max(self._owed.floor(client_id), self._overtaken.get(client_id, -1))
        return snapshot.version < floor

    def _fall_back(self, found: Shared | None, why: str) -> Unknown:
        """Remember what the shared cache had as the last known, now that nobody knows better."""
        if found is not None and not self._is_outdated(found.snapshot):
            self._memory.seed(found.snapshot)
        return Unknown(why)

    async def _load_truth(self, client_id: str) -> Snapshot | Unknown:
        # A notice may overtake the read it outdates; the second read then sees the change.
        for _ in range(2):
            doubts, gaps, now = self._trust.doubts, self._memory.gaps, self._clock()
            async with self._database.connection() as connection:
                row = await read_snapshot_row(connection, client_id)
            self._trust.learn(row["next_number"], doubts)
            snapshot = to_snapshot(client_id, row["version"], now, row["grants"], row["blocks"])
            if self._is_outdated(snapshot):
                continue
            if self._memory.put(snapshot, gaps=gaps) is not None:
                put = self._shared.put(snapshot, row["as_of"])
                self._puts.send(put, "snapshot for redis")
                return snapshot
        return Unknown("Postgres answers with facts older than a change it announced")
