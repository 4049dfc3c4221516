"""Credentials of programs that call the API, and their secrets, of which only hashes are kept."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from billing.errors import CredentialError
from billing.storage.ids import parse_id
from billing.storage.pool import Connection

_COLUMNS = "id::text, name, role, app_id, scopes, created_at, disabled_at"


@dataclass(frozen=True, slots=True)
class Credential:
    """Something that a program proves itself with: an admin's, or an app's own."""

    id: str
    name: str
    role: str
    app_id: str | None
    scopes: frozenset[str]
    created_at: datetime
    disabled_at: datetime | None


async def create_credential(
    connection: Connection,
    name: str,
    role: str,
    app_id: str | None,
    scopes: Collection[str],
    now: datetime,
) -> str:
    """Keep a new credential, which has no secret yet, and return its id.

    Raises:
        CredentialError: there is one of this name, perhaps a disabled one.
    """
    try:
        made = await connection.fetchval(
            "insert into credentials (name, role, app_id, scopes, created_at)"
            " values ($1, $2, $3, $4, $5) returning id::text",
            name,
            role,
            app_id,
            sorted(scopes),
            now,
        )
    except asyncpg.UniqueViolationError as error:
        raise CredentialError(f"there is a credential named {name!r} already") from error
    return str(made)


async def list_credentials(connection: Connection) -> Sequence[Credential]:
    """Return all of them by name, the disabled ones too: a handful an app."""
    rows = await connection.fetch(
        f"select {_COLUMNS} from credentials order by name"  # noqa: S608 - our own column list
    )
    return [_credential(row) for row in rows]


async def find_credential(connection: Connection, credential_id: str) -> Credential | None:
    """Return the credential of this id, disabled or not."""
    known = parse_id(credential_id)
    if known is None:
        return None
    row = await connection.fetchrow(
        f"select {_COLUMNS} from credentials where id = $1",  # noqa: S608 - our own
        known,
    )
    return _credential(row) if row else None


async def find_credential_named(connection: Connection, name: str) -> Credential | None:
    """Return the credential of this name, disabled or not."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from credentials where name = $1",  # noqa: S608 - our own
        name,
    )
    return _credential(row) if row else None


async def disable_credential(connection: Connection, credential_id: str, now: datetime) -> bool:
    """Disable the credential for ever; False if it was disabled before."""
    found = await connection.fetchval(
        "update credentials set disabled_at = $2"
        " where id = $1::text::uuid and disabled_at is null returning true",
        credential_id,
        now,
    )
    return found is True


async def live_secrets(
    connection: Connection, credential_id: str, now: datetime
) -> Sequence[bytes]:
    """Return the hashes of the secrets that are good at `now`; two at most."""
    known = parse_id(credential_id)
    rows = await connection.fetch(
        "select secret_hash from credential_secrets where credential_id = $1"
        " and (ends_at is null or ends_at > $2) order by id desc",
        known,
        now,
    )
    return [row["secret_hash"] for row in rows]


async def replace_secret(
    connection: Connection,
    credential_id: str,
    secret_hash: bytes,
    *,
    now: datetime,
    others_end_at: datetime,
) -> None:
    """Add a secret; the newest one before it is good until `others_end_at`, older ones no more."""
    # First the lock: two changes at once would else each leave a secret without an end.
    await connection.execute(
        "select 1 from credentials where id = $1::text::uuid for update", credential_id
    )
    await connection.execute(
        "update credential_secrets set ends_at = least(ends_at, case when id ="
        " (select max(id) from credential_secrets where credential_id = $1::text::uuid)"
        " then $2::timestamptz else $3::timestamptz end) where credential_id = $1::text::uuid",
        credential_id,
        others_end_at,
        now,
    )
    await connection.execute(
        "insert into credential_secrets (credential_id, secret_hash, created_at)"
        " values ($1::text::uuid, $2, $3)",
        credential_id,
        secret_hash,
        now,
    )


def _credential(row: asyncpg.Record) -> Credential:
    return Credential(**{**dict(row), "scopes": frozenset(row["scopes"])})
