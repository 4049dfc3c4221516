"""Rows of before there were chains: the first row of the audit's chain 0 seals them as a whole."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from billing.audit.chain import GENESIS, NO_CLIENT, Entry, hash_of
from billing.model import Cause, Source
from billing.storage.audit import (
    find_first,
    has_unchained,
    lock_chain,
    stream_unchained,
    write_audit,
)
from billing.storage.pool import Connection, Database

_ACTION: Final = "audit.epoch"


@dataclass(frozen=True, slots=True)
class Epoch:
    """How many rows there were, and the hash over all of them under a key."""

    rows: int
    digest: str
    key_id: str


async def seal_older(database: Database) -> None:
    """Seal the rows that an older version wrote, unless there are none or they are sealed."""
    async with database.transaction() as connection:
        if not await has_unchained(connection):
            return
        # Whoever comes second finds the row of whoever came first.
        await lock_chain(connection, NO_CLIENT)
        if await find_epoch(connection) is not None:
            return
        ring = database.ring
        epoch = await fold(stream_unchained(connection), ring.key_id, ring.audit_keys[ring.key_id])
        told = {"rows": epoch.rows, "digest": epoch.digest, "key_id": epoch.key_id}
        cause = Cause(Source.ADMIN, "tollway")
        await write_audit(connection, _ACTION, None, cause, after=told)


async def find_epoch(connection: Connection) -> Epoch | None:
    """Return what was sealed, or None."""
    found = await find_first(connection, _ACTION, NO_CLIENT)
    return Epoch(**found) if found is not None else None


async def fold(entries: AsyncIterator[Entry], key_id: str, key: bytes) -> Epoch:
    """Return the seal of the rows, which are hashed as if they were a chain."""
    rows, digest = 0, GENESIS
    async for entry in entries:
        rows += 1
        digest = hash_of(replace(entry, position=rows, key_id=key_id, prev_hash=digest), key)
    return Epoch(rows, digest.hex(), key_id)
