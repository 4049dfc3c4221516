"""Sessions and the tickets that carry them from the gateway's own host to an app's."""

from dataclasses import dataclass
from datetime import datetime

from billing.storage.pool import Connection

CHANNEL = "tollway_session"
"""Notices of ended sessions; the payload is the token's hash in hex."""


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that holds now on its one host, and until when it does at most."""

    client_id: str
    external_id: str
    host: str
    expires_at: datetime


async def create_session(
    connection: Connection,
    token_hash: bytes,
    client_id: str,
    host: str,
    *,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Begin a session on the host."""
    await connection.execute(
        "insert into sessions (token_hash, client_id, host, created_at, expires_at)"
        " values ($1, $2::text::uuid, $3, $4, $5)",
        token_hash,
        client_id,
        host,
        now,
        expires_at,
    )


async def find_session(
    connection: Connection, token_hash: bytes, now: datetime
) -> LiveSession | None:
    """Return the session if it holds at `now`."""
    row = await connection.fetchrow(
        "select s.client_id::text, c.external_id, s.host, s.expires_at"
        " from sessions s join clients c on c.id = s.client_id"
        " where s.token_hash = $1 and s.expires_at > $2"
        " and s.revoked_at is null and c.status = 'active'",
        token_hash,
        now,
    )
    return LiveSession(**dict(row)) if row else None


async def revoke_session(connection: Connection, token_hash: bytes, now: datetime) -> list[bytes]:
    """End the session and those carried from it; return the hashes of all that ended."""
    # First the lock: the update would wait for a session that is being carried just now,
    # and then not see the row that came of it.
    await connection.execute("select 1 from sessions where token_hash = $1 for update", token_hash)
    rows = await connection.fetch(
        "update sessions set revoked_at = $2"
        " where (token_hash = $1 or parent = $1) and revoked_at is null returning token_hash",
        token_hash,
        now,
    )
    for row in rows:
        await connection.execute("select pg_notify($1, $2)", CHANNEL, row["token_hash"].hex())
    return [row["token_hash"] for row in rows]


async def revoke_sessions_of(connection: Connection, client_id: str, now: datetime) -> None:
    """End every session of the client."""
    await connection.execute(
        "select 1 from sessions where client_id = $1::text::uuid for update", client_id
    )
    rows = await connection.fetch(
        "update sessions set revoked_at = $2"
        " where client_id = $1::text::uuid and revoked_at is null returning token_hash",
        client_id,
        now,
    )
    for row in rows:
        await connection.execute("select pg_notify($1, $2)", CHANNEL, row["token_hash"].hex())


async def create_ticket(
    connection: Connection,
    ticket_hash: bytes,
    parent: bytes,
    *,
    host: str,
    target: str,
    browser: str,
    expires_at: datetime,
) -> None:
    """Keep a ticket for `host`, good for the browser of the fingerprint `browser`."""
    await connection.execute(
        "insert into session_tickets (ticket_hash, parent, host, target, browser, expires_at)"
        " values ($1, $2, $3, $4, $5, $6)",
        ticket_hash,
        parent,
        host,
        target,
        browser,
        expires_at,
    )


async def use_ticket(
    connection: Connection,
    ticket_hash: bytes,
    token_hash: bytes,
    *,
    host: str,
    browser: str,
    now: datetime,
) -> str | None:
    """Use the ticket up and begin a session on its host; return the page asked for.

    One delete decides: of two uses at once, one finds the ticket. The new session ends
    with the one that it was carried from.
    """
    row = await connection.fetchrow(
        "delete from session_tickets where ticket_hash = $1 and host = $2 and browser = $3"
        " and expires_at > $4 returning parent, target",
        ticket_hash,
        host,
        browser,
        now,
    )
    if row is None:
        return None
    status = await connection.execute(
        "insert into sessions (token_hash, client_id, host, parent, created_at, expires_at)"
        " select $1, client_id, $2, token_hash, $3, expires_at from sessions"
        " where token_hash = $4 and revoked_at is null and expires_at > $3 for share",
        token_hash,
        host,
        now,
        row["parent"],
    )
    return str(row["target"]) if status == "INSERT 0 1" else None
