"""A row of the audit as bytes, and its hash, which covers the hash of the row before.

The encoding is canonical: one row, one text of bytes. Whoever wants to check the audit with a
program of their own finds it described in docs/audit.md.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

CLIENT_CHAINS: Final = 16
"""Clients are spread over so many chains, since writers of one chain wait for each other."""
NO_CLIENT: Final = 0
"""The chain of what is about no client."""
ALL_CHAINS: Final = range(CLIENT_CHAINS + 1)
GENESIS: Final = bytes(32)
"""What stands for the hash of the row before the first."""

_FORMAT: Final = b"tollway audit 1\n"
_NULL: Final = b"\0"
_TEXT: Final = b"\1"
_LENGTH_BYTES: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """All that a row says. `before` and `after` are JSON, as Postgres writes a `jsonb`."""

    chain: int
    position: int
    key_id: str
    prev_hash: bytes
    seq: int
    at: datetime
    actor: str
    action: str
    client_id: str | None
    before: str | None
    after: str | None
    cause_inbox_id: int | None
    cause_request_id: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a chain; position 0 and `GENESIS` where there is none."""

    chain: int
    position: int
    hash: bytes


def chain_of(client_id: str | None) -> int:
    """Return the chain of what is about the client."""
    return NO_CLIENT if client_id is None else 1 + UUID(client_id).int % CLIENT_CHAINS


def hash_of(entry: Entry, key: bytes) -> bytes:
    """Return the hash of the row under the audit key of its `key_id`."""
    return hmac.digest(key, encode(entry), "sha256")


def encode(entry: Entry) -> bytes:
    """Return the row as bytes; two rows that differ in anything have different ones."""
    fields: tuple[str | None, ...] = (
        str(entry.chain),
        str(entry.position),
        entry.key_id,
        entry.prev_hash.hex(),
        str(entry.seq),
        str((entry.at - _EPOCH) // _MICROSECOND),
        entry.actor,
        entry.action,
        entry.client_id,
        entry.before,
        entry.after,
        None if entry.cause_inbox_id is None else str(entry.cause_inbox_id),
        entry.cause_request_id,
    )
    return _FORMAT + b"".join(map(_field, fields))


def _field(text: str | None) -> bytes:
    # With its length before it, no text can pass for the end of one field and the next.
    if text is None:
        return _NULL
    octets = text.encode()
    return _TEXT + len(octets).to_bytes(_LENGTH_BYTES, "big") + octets
