"""The first rung: snapshots in this process, bounded, never going back to an older version.

Who was here lately is kept as objects (`Passes` in the proxy rests on their identity), all others
packed. An entry is in one of the two and moves between them.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from cachetools import Cache, LRUCache

from billing.entitlements.packed import Entry, Packing, floor_of
from policies.model import Snapshot

# Objects cost some 2 KB a client, and unpacking them some microseconds.
_MOST_AT_HAND: Final = 10_000
# `gaps` of a seeded snapshot, which is fresh at no time.
_SEEDED: Final = 0
_UUID_CHARS: Final = 36
DEAF_S: Final = 5.0
"""How long things are fresh while nobody tells us of changes: Postgres has restarted by then."""


class MemoryStore:
    """At most `clients` snapshots; each is fresh for `ttl_s`, or until it is invalidated."""

    def __init__(self, clients: int, ttl_s: float, monotonic: Callable[[], float]) -> None:
        most_at_hand = max(1, min(_MOST_AT_HAND, clients // 2))
        self._most_at_hand = most_at_hand
        self._at_hand: OrderedDict[str, Entry] = OrderedDict()
        self._packed: LRUCache[bytes, bytes] = LRUCache(max(1, clients - most_at_hand))
        self._packing = Packing()
        self._ttl_s = ttl_s
        self.monotonic = monotonic
        self._deaf_since_s: float | None = None
        self.gaps = _SEEDED + 1

    def find_fresh(self, client_id: str) -> Snapshot | None:
        """Return the snapshot if it may still be used without asking anybody."""
        entry = self._at_hand.get(client_id) or self._unpack(client_id)
        if entry is None or entry.snapshot is None or entry.gaps != self.gaps:
            return None
        now_s = self.monotonic()
        if now_s - entry.loaded_s > self._ttl_s:
            return None
        deaf_since_s = self._deaf_since_s
        if deaf_since_s is not None and now_s - max(entry.loaded_s, deaf_since_s) > DEAF_S:
            return None
        return entry.snapshot

    def find_last_known(self, client_id: str) -> Snapshot | None:
        """Return the snapshot however old, unless a newer version is known to exist."""
        entry = self._at_hand.get(client_id) or self._unpack(client_id)
        return None if entry is None else entry.snapshot

    def peek(self, client_id: str) -> Snapshot | None:
        """Return what `find_last_known` does; it does not count as a use."""
        entry = self._at_hand.get(client_id)
        if entry is None:
            try:
                packed = Cache.__getitem__(self._packed, _key(client_id))
            except KeyError:
                return None
            entry = self._packing.unpack(client_id, packed)
        return entry.snapshot

    def age_s(self, client_id: str) -> float:
        """Return the seconds since the client's snapshot was read; infinite if there is none."""
        entry = self._at_hand.get(client_id) or self._unpack(client_id)
        if entry is None or entry.snapshot is None or entry.gaps == _SEEDED:
            return float("inf")
        return self.monotonic() - entry.loaded_s + entry.age_s

    def put(
        self, snapshot: Snapshot, age_s: float = 0.0, gaps: int | None = None
    ) -> Snapshot | None:
        """Keep the snapshot and return it; None, and nothing kept, if it is known outdated.

        `gaps` is what `self.gaps` was when the read began: if notices were missed since, the
        snapshot may be what they outdated, and is kept as the last known one only.
        """
        client_id = snapshot.client_id
        entry = self._at_hand.get(client_id) or self._unpack(client_id)
        if entry is not None and snapshot.version < entry.floor:
            return None
        gaps = self.gaps if gaps is None else gaps
        self._keep(client_id, Entry(snapshot, snapshot.version, gaps, self.monotonic(), age_s))
        return snapshot

    def seed(self, snapshot: Snapshot) -> None:
        """Keep the snapshot as the last known one, which is never fresh, unless we know better."""
        client_id = snapshot.client_id
        entry = self._at_hand.get(client_id) or self._unpack(client_id)
        if (
            entry is None
            or entry.floor < snapshot.version
            or (entry.snapshot is None and entry.floor == snapshot.version)
        ):
            self._at_hand.pop(client_id, None)
            seeded = Entry(snapshot, snapshot.version, _SEEDED)
            self._packed[_key(client_id)] = self._packing.pack(seeded)

    def invalidate(self, client_id: str, version: int) -> None:
        """Drop the client's snapshot below `version` and refuse such ones from now on.

        A client that is not kept needs a floor all the same: a read that began before
        the change may come back after this notice.
        """
        entry = self._at_hand.get(client_id)
        if entry is not None:
            if version > entry.floor:
                entry.floor = version
                entry.snapshot = None
            return
        key = _key(client_id)
        packed = self._packed.get(key)
        if packed is None or version > floor_of(packed):
            self._packed[key] = self._packing.pack(Entry(None, version, self.gaps))

    def expire_all(self) -> None:
        """Make every snapshot stale: notices may have been missed."""
        self.gaps += 1

    def hear(self, *, is_hearing: bool) -> None:
        """Say whether changes are told of from now on; while they are not, little is fresh."""
        if is_hearing:
            self._deaf_since_s = None
        elif self._deaf_since_s is None:
            self._deaf_since_s = self.monotonic()

    def _unpack(self, client_id: str) -> Entry | None:
        """Return the entry that is kept packed, from now on at hand."""
        packed = self._packed.pop(_key(client_id), None)
        if packed is None:
            return None
        entry = self._packing.unpack(client_id, packed)
        self._keep(client_id, entry)
        return entry

    def _keep(self, client_id: str, entry: Entry) -> None:
        self._at_hand[client_id] = entry
        if len(self._at_hand) > self._most_at_hand:
            longest_here, packable = self._at_hand.popitem(last=False)
            self._packed[_key(longest_here)] = self._packing.pack(packable)


def _key(client_id: str) -> bytes:
    """Return the client's id in as few bytes as it has."""
    if len(client_id) == _UUID_CHARS:
        try:
            return bytes.fromhex(client_id.replace("-", ""))
        except ValueError:
            pass
    return client_id.encode()
