"""Reads what a client holds: memory, then Valkey, then Postgres, one flight a client."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from billing.entitlements.codec import to_snapshot
from billing.entitlements.memory import MemoryStore
from billing.entitlements.refreshing import NoRefreshing
from billing.errors import UnavailableError
from billing.ports import Clock
from billing.storage.grants import read_snapshot_row
from billing.storage.pool import Database
from policies.model import Snapshot, Unknown


class SharedStore(Protocol):
    """A cache outside the process; `redis_store.RedisStore`, or `NoSharedStore`."""

    async def find(self, client_id: str) -> Snapshot | None:
        """Return a snapshot, or None for a miss or a failure."""
        ...

    async def put(self, snapshot: Snapshot) -> None:
        """Keep the snapshot unless a newer one is known."""
        ...

    async def invalidate(self, client_id: str, version: int) -> None:
        """Drop what is below `version`."""
        ...


class NoSharedStore:
    """Stands in where no Redis is configured; a first-class mode, not a fault."""

    async def find(self, client_id: str) -> Snapshot | None:  # noqa: ARG002 - nothing is kept
        """Miss."""
        return None

    async def put(self, snapshot: Snapshot) -> None:
        """Keep nothing."""

    async def invalidate(self, client_id: str, version: int) -> None:
        """Drop nothing."""


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
    ) -> None:
        self._memory = memory
        self._shared = shared
        self._database = database
        self._clock = clock
        self._timeout_s = timeout_s
        self._refresh = refresh
        self._flights: dict[str, asyncio.Task[Snapshot | Unknown]] = {}
        self._gap_ended_at: datetime | None = None
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
        """Take note that the client's facts are at `version` now."""
        self._memory.invalidate(client_id, version)
        self._tell(client_id)
        await self._shared.invalidate(client_id, version)

    def forget_freshness(self) -> None:
        """Read everything anew on next use; for when notices may have been missed.

        What the shared store holds from before may be what the missed notices outdated.
        """
        self._memory.expire_all()
        self._gap_ended_at = self._clock()
        self._tell(None)

    def _tell(self, client_id: str | None) -> None:
        for heard in self._subscribers:
            heard(client_id)

    async def _fly(self, client_id: str, *, shared: bool) -> Snapshot | Unknown:
        """Join the read of this client that is under way, or begin one.

        Shielded: a visitor who leaves must not end the read that others wait for.
        """
        key = f"{client_id}/{shared}"
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(
                self._load(client_id, shared=shared), name=f"entitlement:{client_id}"
            )
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(flight)

    async def _load(self, client_id: str, *, shared: bool) -> Snapshot | Unknown:
        try:
            async with asyncio.timeout(self._timeout_s):
                if shared:
                    found = await self._shared.find(client_id)
                    if found is not None and (kept := self._take(found)) is not None:
                        return kept
                return await self._load_truth(client_id)
        except UnavailableError as error:
            return Unknown(str(error))
        except TimeoutError:
            return Unknown("Postgres did not answer in time")

    def _take(self, found: Snapshot) -> Snapshot | None:
        """Keep a snapshot of the shared store, unless it may be outdated."""
        if self._gap_ended_at is not None and found.taken_at < self._gap_ended_at:
            return None
        age_s = (self._clock() - found.taken_at).total_seconds()
        return self._memory.put(found, max(0.0, age_s))

    async def _load_truth(self, client_id: str) -> Snapshot | Unknown:
        # A notice may overtake the read it outdates; the second read then sees the change.
        for _ in range(2):
            async with self._database.connection() as connection:
                row = await read_snapshot_row(connection, client_id)
            snapshot = to_snapshot(
                client_id, row["version"], self._clock(), row["grants"], row["blocks"]
            )
            if self._memory.put(snapshot) is not None:
                await self._shared.put(snapshot)
                return snapshot
        return Unknown("Postgres answers with facts older than a change it announced")
