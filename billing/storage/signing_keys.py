"""Keys that sign tokens. A private part is kept sealed, and erased when nobody needs it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.storage.pool import Connection

_LOCK = "signing_keys"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as kept; `private_sealed` None means that it was erased."""

    kid: str
    private_sealed: bytes | None
    created_at: datetime
    signs_from_at: datetime


async def lock_signing_keys(connection: Connection) -> None:
    """Be the only one to change keys until the transaction's end."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", _LOCK)


async def list_signing_keys(connection: Connection) -> Sequence[StoredKey]:
    """Return all keys, in the order in which they sign."""
    rows = await connection.fetch(
        "select kid, private_sealed, created_at, signs_from_at from signing_keys"
        " order by signs_from_at, kid"
    )
    return [StoredKey(**dict(row)) for row in rows]


async def add_signing_key(connection: Connection, key: StoredKey) -> None:
    """Keep a new key, which is published from now on."""
    await connection.execute(
        "insert into signing_keys (kid, private_sealed, created_at, signs_from_at)"
        " values ($1, $2, $3, $4)",
        key.kid,
        key.private_sealed,
        key.created_at,
        key.signs_from_at,
    )


async def erase_signing_keys(connection: Connection, kids: Collection[str]) -> None:
    """Erase the private parts; what a key has signed can be verified no more."""
    await connection.execute(
        "update signing_keys set private_sealed = null where kid = any($1::text[])", list(kids)
    )
