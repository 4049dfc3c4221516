"""What is kept of one client: its snapshot, and how it is recognized.

Nothing of it is a secret or tells a person: sessions are the hashes of their tokens, and names
(the external ids in bearer tokens) are hashed with a key. Pure but for the form.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from billing.entitlements.codec import decode, encode
from policies.model import Grant, Snapshot

# Of the snapshot, and of what else there is, in bytes.
_LENGTHS: Final = struct.Struct("!II")


@dataclass(frozen=True, slots=True)
class KnownSession:
    """A session. `until_at` is when our knowledge of it ends; None is no end yet."""

    token_hash: bytes
    client_id: str
    host: str
    expires_at: datetime
    until_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KnownName:
    """A client by the hash of its external id; `until_at` as above."""

    name_hash: bytes
    client_id: str
    until_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One client."""

    snapshot: Snapshot
    sessions: tuple[KnownSession, ...] = ()
    names: tuple[KnownName, ...] = ()

    def is_paid(self, now: datetime) -> bool:
        """Tell whether any grant is live."""
        return any(grant.is_live(now) for grant in self.snapshot.grants)


def leased(record: Record, until_at: datetime) -> Record:
    """Return what of the record is good until then and no longer; what ends earlier, does."""
    snapshot = record.snapshot
    grants = tuple(_shortened(grant, until_at) for grant in snapshot.grants)
    return Record(
        replace(snapshot, grants=grants),
        tuple(replace(s, until_at=_earlier(s.until_at, until_at)) for s in record.sessions),
        tuple(replace(n, until_at=_earlier(n.until_at, until_at)) for n in record.names),
    )


def pack(record: Record) -> bytes:
    """Return the form in which the record is kept."""
    snapshot = encode(record.snapshot).encode()
    rest = json.dumps(
        [
            [
                [s.token_hash.hex(), s.host, s.expires_at.timestamp(), _seconds(s.until_at)]
                for s in record.sessions
            ],
            [[n.name_hash.hex(), _seconds(n.until_at)] for n in record.names],
        ],
        separators=(",", ":"),
    ).encode()
    return _LENGTHS.pack(len(snapshot), len(rest)) + snapshot + rest


def unpack(packed: memoryview) -> Iterator[Record]:
    """Yield the records of which packed ones stand one behind the other.

    Raises:
        ValueError: they are none.
    """
    begin = 0
    while begin < len(packed):
        try:
            of_snapshot, of_rest = _LENGTHS.unpack_from(packed, begin)
            begin += _LENGTHS.size
            snapshot = decode(bytes(packed[begin : begin + of_snapshot]))
            begin += of_snapshot
            rest = json.loads(bytes(packed[begin : begin + of_rest]))
            begin += of_rest
            yield _record_of(snapshot, rest)
        except (struct.error, TypeError, OverflowError, OSError) as error:
            raise ValueError("no record") from error


def _record_of(snapshot: Snapshot, rest: Any) -> Record:  # whatever JSON holds
    sessions, names = rest
    client_id = snapshot.client_id
    return Record(
        snapshot,
        tuple(
            KnownSession(bytes.fromhex(token), client_id, host, _instant(ends), _maybe(until))
            for token, host, ends, until in sessions
        ),
        tuple(KnownName(bytes.fromhex(name), client_id, _maybe(until)) for name, until in names),
    )


def _shortened(grant: Grant, until_at: datetime) -> Grant:
    # Written out: `replace` takes three times as long, and there may be hundreds of thousands.
    return Grant(
        grant.app_id,
        grant.feature,
        grant.value,
        grant.from_at,
        _earlier(grant.until_at, until_at),
        grant.plan,
        grant.status,
    )


def _earlier(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe(seconds: float | None) -> datetime | None:
    return None if seconds is None else _instant(seconds)
