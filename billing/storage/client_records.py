"""Who clients are: names and addresses, sealed; how a client comes, is found, and changes.

Names and addresses are sealed for their row; an address is found again by a keyed hash of it
(`billing.crypto.sealing`). How a client ends is in `client_endings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from billing.crypto.keyring import KeyRing
from billing.crypto.sealing import (
    checked_email,
    checked_name,
    context_of,
    email_indexes,
    open_text,
    seal_text,
)
from billing.errors import ClientExistsError, InvalidClientError, NoSuchClientError
from billing.model import Cause
from billing.storage.audit import write_audit
from billing.storage.ids import parse_id
from billing.storage.pool import Connection, ring_of

_COLUMNS: Final = (
    "id, external_id, name_enc, email_enc, app_id, status, created_at, closed_at, erased_at"
)
_EXTERNAL_ID_CHARS: Final = 200
# Whoever may add clients could else have everybody wait who looks for an address.
_MOST_OF_ADDRESS: Final = 100


@dataclass(frozen=True, slots=True)
class Client:
    """A client. What is personal is kept out of its `repr`; None is not known, or erased."""

    id: str
    external_id: str = field(repr=False)
    name: str | None = field(repr=False)
    email: str | None = field(repr=False)
    app_id: str | None
    status: str
    created_at: datetime
    closed_at: datetime | None
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """Clients, the newest first; `after` goes on where they end, None at the last page."""

    clients: tuple[Client, ...]
    after: str | None


async def create_client(
    connection: Connection,
    external_id: str,
    cause: Cause,
    *,
    name: str | None = None,
    email: str | None = None,
    app_id: str | None = None,
) -> Client:
    """Note a new client, who signed up at the app, if at one.

    Raises:
        InvalidClientError: a name or address is none.
        ClientExistsError: there is one of this external id.
    """
    if not 0 < len(external_id) <= _EXTERNAL_ID_CHARS or not external_id.isprintable():
        raise InvalidClientError(
            f"an external id has 1 to {_EXTERNAL_ID_CHARS} printable characters"
        )
    client_id = uuid4()
    sealed = _sealed(ring_of(connection), client_id, checked_name(name), checked_email(email))
    created = await connection.execute(
        "insert into clients (id, external_id, app_id, name_enc, email_enc, email_index)"
        " values ($1, $2, $3, $4, $5, $6) on conflict (external_id) do nothing",
        client_id,
        external_id,
        app_id,
        *sealed,
    )
    if created != "INSERT 0 1":
        raise ClientExistsError("there is a client of this external id already")
    await write_audit(connection, "client.created", str(client_id), cause, after={"app": app_id})
    return await get_client(connection, str(client_id))


async def get_client(connection: Connection, client_id: str) -> Client:
    """Return the client.

    Raises:
        NoSuchClientError: there is none of this id.
    """
    row = await connection.fetchrow(
        f"select {_COLUMNS} from clients where id = $1",  # noqa: S608 - a constant
        known_id(client_id),
    )
    if row is None:
        raise NoSuchClientError("there is no such client")
    return _client_of(ring_of(connection), row)


async def find_by_external_id(connection: Connection, external_id: str) -> Client | None:
    """Return the client of this external id."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from clients where external_id = $1",  # noqa: S608 - a constant
        external_id,
    )
    return _client_of(ring_of(connection), row) if row is not None else None


async def find_by_email(connection: Connection, email: str) -> list[Client]:
    """Return the newest 100 clients of this address, in any spelling of it.

    Raises:
        InvalidClientError: it is no address.
    """
    ring = ring_of(connection)
    rows = await connection.fetch(
        f"select {_COLUMNS} from clients where email_index = any($1)"  # noqa: S608 - a constant
        " order by created_at desc, id desc limit $2",
        email_indexes(ring, email),
        _MOST_OF_ADDRESS,
    )
    return [_client_of(ring, row) for row in rows]


async def list_clients(
    connection: Connection, *, limit: int, after: str | None = None, app_id: str | None = None
) -> Page:
    """Return a page of clients, the newest first; `app_id` is where they signed up.

    `after` is that of the page before; nothing follows one that is none of this list, so that
    it tells nobody of whom the list does not.
    """
    rows = await connection.fetch(
        f"select {_COLUMNS} from clients c"  # noqa: S608 - a constant
        " where ($1::text is null or app_id = $1) and ($2::uuid is null or (created_at, id) <"
        " (select l.created_at, l.id from clients l"
        " where l.id = $2 and ($1::text is null or l.app_id = $1)))"
        " order by created_at desc, id desc limit $3",
        app_id,
        parse_id(after) if after is not None else None,
        limit + 1,
    )
    ring = ring_of(connection)
    clients = tuple(_client_of(ring, row) for row in rows[:limit])
    return Page(clients, clients[-1].id if len(rows) > limit else None)


async def update_client(
    connection: Connection, client_id: str, cause: Cause, changes: Mapping[str, str | None]
) -> Client:
    """Change `name` or `email`, or both; None erases it, and what is not in `changes` stays.

    Raises:
        NoSuchClientError: there is none of this id, or it was erased.
        InvalidClientError: a name or address is none, or something else would be changed.
    """
    if not changes.keys() <= {"name", "email"}:
        raise InvalidClientError("only name and email of a client can be changed")
    await connection.execute("select from clients where id = $1 for update", known_id(client_id))
    client = await get_client(connection, client_id)
    if client.erased_at is not None:
        raise NoSuchClientError("the client was erased")
    name = checked_name(changes.get("name", client.name))
    email = checked_email(changes.get("email", client.email))
    await connection.execute(
        "update clients set name_enc = $2, email_enc = $3, email_index = $4 where id = $1",
        known_id(client_id),
        *_sealed(ring_of(connection), known_id(client_id), name, email),
    )
    told = {"fields": sorted(changes)}
    await write_audit(connection, "client.updated", client_id, cause, after=told)
    return await get_client(connection, client_id)


def known_id(client_id: str) -> UUID:
    """Return the id as our tables have it.

    Raises:
        NoSuchClientError: it can be nobody's.
    """
    known = parse_id(client_id)
    if known is None:
        raise NoSuchClientError("there is no such client")
    return known


def _sealed(
    ring: KeyRing, client_id: UUID, name: str | None, email: str | None
) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Return what the columns `name_enc`, `email_enc` and `email_index` hold."""
    return (
        seal_text(ring, name, context_of("clients", "name_enc", client_id)),
        seal_text(ring, email, context_of("clients", "email_enc", client_id)),
        email_indexes(ring, email)[0] if email is not None else None,
    )


def _client_of(ring: KeyRing, row: asyncpg.Record) -> Client:
    client_id = row["id"]
    return Client(
        id=str(client_id),
        external_id=row["external_id"],
        name=open_text(ring, row["name_enc"], context_of("clients", "name_enc", client_id)),
        email=open_text(ring, row["email_enc"], context_of("clients", "email_enc", client_id)),
        app_id=row["app_id"],
        status=row["status"],
        created_at=row["created_at"],
        closed_at=row["closed_at"],
        erased_at=row["erased_at"],
    )
