"""The first rung: snapshots in this process, bounded, never going back to an older version."""

from collections.abc import Callable
from dataclasses import dataclass

from cachetools import Cache, LRUCache

from policies.model import Snapshot


@dataclass(slots=True)
class _Entry:
    """`floor` is the highest version that we were told of; `loaded_s` is monotonic time.

    `age_s` is how old the snapshot was when it came here.
    """

    snapshot: Snapshot | None
    floor: int
    loaded_s: float
    age_s: float = 0.0


class MemoryStore:
    """At most `clients` snapshots; each is fresh for `ttl_s`, or until it is invalidated."""

    def __init__(self, clients: int, ttl_s: float, monotonic: Callable[[], float]) -> None:
        self._entries: LRUCache[str, _Entry] = LRUCache(clients)
        self._ttl_s = ttl_s
        self._monotonic = monotonic

    def find_fresh(self, client_id: str) -> Snapshot | None:
        """Return the snapshot if it may still be used without asking anybody."""
        try:
            entry = self._entries[client_id]
        except KeyError:
            return None
        if entry.snapshot is None or self._monotonic() - entry.loaded_s > self._ttl_s:
            return None
        return entry.snapshot

    def find_last_known(self, client_id: str) -> Snapshot | None:
        """Return the snapshot however old, unless a newer version is known to exist."""
        try:
            return self._entries[client_id].snapshot
        except KeyError:
            return None

    def age_s(self, client_id: str) -> float:
        """Return the seconds since the client's snapshot was read; infinite if there is none."""
        try:
            entry = self._entries[client_id]
        except KeyError:
            return float("inf")
        if entry.snapshot is None:
            return float("inf")
        return self._monotonic() - entry.loaded_s + entry.age_s

    def put(self, snapshot: Snapshot, age_s: float = 0.0) -> Snapshot | None:
        """Keep the snapshot and return it; None, and nothing kept, if it is known outdated."""
        entry = self._entries.get(snapshot.client_id)
        if entry is not None and snapshot.version < entry.floor:
            return None
        self._entries[snapshot.client_id] = _Entry(
            snapshot, snapshot.version, self._monotonic(), age_s
        )
        return snapshot

    def seed(self, snapshot: Snapshot) -> None:
        """Keep the snapshot as the last known one, which is never fresh, unless we know better."""
        entry = self._entries.get(snapshot.client_id)
        if entry is None or entry.floor < snapshot.version:
            seeded = _Entry(snapshot, snapshot.version, float("-inf"))
            self._entries[snapshot.client_id] = seeded

    def peek(self, client_id: str) -> Snapshot | None:
        """Return what `find_last_known` does; it does not count as a use."""
        try:
            return Cache.__getitem__(self._entries, client_id).snapshot
        except KeyError:
            return None

    def invalidate(self, client_id: str, version: int) -> None:
        """Drop the client's snapshot below `version` and refuse such ones from now on.

        A client that is not kept needs a floor all the same: a read that began before
        the change may come back after this notice.
        """
        entry = self._entries.get(client_id)
        if entry is None:
            self._entries[client_id] = _Entry(None, version, 0.0)
        elif version > entry.floor:
            entry.floor = version
            entry.snapshot = None

    def expire_all(self) -> None:
        """Make every snapshot stale: notices may have been missed."""
        for entry in self._entries.values():
            entry.loaded_s = float("-inf")
