"""Snapshots in as few bytes as will do: how most clients are kept in memory.

Hundreds of thousands of clients have the same few grants, which differ in their instants alone.
What is the same is kept once and numbered; a client is then its version, its instants and
numbers, some 100 bytes where the objects take ten times as many.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import starmap
from typing import Final

from billing.entitlements.codec import decode, encode
from policies.model import Grant, Snapshot

# Kind, floor, gaps, loaded_s, age_s, taken_at.
_HEAD: Final = struct.Struct("<BqIdfd")
# Number of the shape, from_at, until_at; infinite is for ever.
_GRANT: Final = struct.Struct("<Idd")
_FLOOR_ONLY, _GRANTS, _TEXT = range(3)
_FOREVER: Final = float("inf")
# Plans have tens of shapes. Features given by hand may have any value: past this bound (some
# 20 MB) a snapshot is kept as text, which costs more bytes and nothing else.
_MOST_SHAPES: Final = 65_536

# The type of the value is part of it: True equals 1, and is another feature.
_Shape = tuple[str, str, type, bool | int | str, str | None, str | None]


@dataclass(slots=True)
class Entry:
    """What is known of a client; `floor` is the highest version that we were told of.

    `loaded_s` is monotonic time, and `age_s` how old the snapshot was then. `gaps` tells how
    often notices had been missed before it was read.
    """

    snapshot: Snapshot | None
    floor: int
    gaps: int
    loaded_s: float = 0.0
    age_s: float = 0.0


class Packing:
    """Packs entries and unpacks them; numbers what many clients have alike."""

    def __init__(self, most_shapes: int = _MOST_SHAPES) -> None:
        self._most_shapes = most_shapes
        self._shapes: list[_Shape] = []
        self._numbers: dict[_Shape, int] = {}

    def pack(self, entry: Entry) -> bytes:
        """Return the entry as bytes, which `unpack` of the same packing reads."""
        snapshot = entry.snapshot
        if snapshot is None:
            return _HEAD.pack(_FLOOR_ONLY, entry.floor, entry.gaps, entry.loaded_s, 0.0, 0.0)
        kind, body = _GRANTS, self._pack_grants(snapshot)
        if body is None:
            kind, body = _TEXT, encode(snapshot).encode()
        head = _HEAD.pack(
            kind,
            entry.floor,
            entry.gaps,
            entry.loaded_s,
            entry.age_s,
            snapshot.taken_at.timestamp(),
        )
        return head + body

    def unpack(self, client_id: str, packed: bytes) -> Entry:
        """Return the entry of this client."""
        kind, floor, gaps, loaded_s, age_s, taken_s = _HEAD.unpack_from(packed)
        body = memoryview(packed)[_HEAD.size :]
        if kind == _FLOOR_ONLY:
            return Entry(None, floor, gaps, loaded_s)
        if kind == _TEXT:
            return Entry(decode(bytes(body)), floor, gaps, loaded_s, age_s)
        grants = tuple(starmap(self._grant, _GRANT.iter_unpack(body)))
        snapshot = Snapshot(client_id, floor, _instant(taken_s), grants)
        return Entry(snapshot, floor, gaps, loaded_s, age_s)

    def _pack_grants(self, snapshot: Snapshot) -> bytes | None:
        """Return the grants, or None if this snapshot needs more words than they have."""
        if snapshot.blocks:
            # Few are blocked, and a reason is free text.
            return None
        parts = []
        for grant in snapshot.grants:
            number = self._number(grant)
            if number is None:
                return None
            until_s = _FOREVER if grant.until_at is None else grant.until_at.timestamp()
            parts.append(_GRANT.pack(number, grant.from_at.timestamp(), until_s))
        return b"".join(parts)

    def _number(self, grant: Grant) -> int | None:
        shape = (
            grant.app_id,
            grant.feature,
            type(grant.value),
            grant.value,
            grant.plan,
            grant.status,
        )
        number = self._numbers.get(shape)
        if number is None and len(self._shapes) < self._most_shapes:
            number = self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
        return number

    def _grant(self, number: int, from_s: float, until_s: float) -> Grant:
        app_id, feature, _, value, plan, status = self._shapes[number]
        until_at = None if until_s == _FOREVER else _instant(until_s)
        return Grant(app_id, feature, value, _instant(from_s), until_at, plan, status)


def floor_of(packed: bytes) -> int:
    """Return the floor of a packed entry."""
    floor: int = _HEAD.unpack_from(packed)[1]
    return floor


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
