"""One row for every change of money or access; rows are never changed or removed.

Each row is the next of a hash chain (`billing.audit.chain`), of which `audit_heads` has the end.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from billing.audit.chain import ALL_CHAINS, Entry, Head, chain_of, hash_of
from billing.audit.impersonal import impersonal
from billing.errors import UnavailableError
from billing.model import Cause
from billing.storage.ids import parse_id
from billing.storage.pool import Connection, ring_of

_COLUMNS: Final = (
    "chain, position, key_id, prev_hash, seq, at, actor, action, client_id::text as client_id,"
    " before::text as before, after::text as after, cause_inbox_id, cause_request_id"
)
# Of one round trip while a chain is read; some hundred kilobytes.
_PREFETCH: Final = 500


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row as operators read it."""

    seq: int
    at: datetime
    actor: str
    action: str
    client_id: str | None
    before: dict[str, Any] | None  # whatever was true
    after: dict[str, Any] | None  # as above
    cause_inbox_id: int | None
    cause_request_id: str | None


async def write_audit(
    connection: Connection,
    action: str,
    client_id: str | None,
    cause: Cause,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Write what was done, to whom and why, in the transaction that does it.

    Others who write to the same chain wait from here until the transaction ends: call it last,
    after everything else that the transaction locks or waits for, and never while something
    outside answers. One that writes about several clients goes through them in the order of
    `chain_of`. Who keeps to neither is at worst ended by Postgres as a deadlock, which is an
    `UnavailableError`, and may try again.

    Personal data in `before` and `after` is masked, since no row can ever be erased.
    """
    chain, ring = chain_of(client_id), ring_of(connection)
    row = await connection.fetchrow(
        "select position, hash, nextval('audit_seq_seq') as seq, clock_timestamp() as at,"
        " $2::jsonb::text as before, $3::jsonb::text as after"
        " from audit_heads where chain = $1 for update",
        chain,
        impersonal(before),
        impersonal(after),
    )
    if row is None:
        raise UnavailableError(f"the audit's chain {chain} has no head")
    entry = Entry(
        chain=chain,
        position=row["position"] + 1,
        key_id=ring.key_id,
        prev_hash=row["hash"],
        seq=row["seq"],
        at=row["at"],
        actor=cause.actor,
        action=action,
        client_id=client_id,
        before=row["before"],
        after=row["after"],
        cause_inbox_id=cause.inbox_id,
        cause_request_id=cause.request_id,
    )
    await _append(connection, entry, hash_of(entry, ring.audit_keys[ring.key_id]))


async def _append(connection: Connection, entry: Entry, own_hash: bytes) -> None:
    """Write the row and move the head, whose trigger looks for the row."""
    await connection.execute(
        "with written as ("
        " insert into audit (chain, position, key_id, prev_hash, seq, at, actor, action, client_id,"
        " before, after, cause_inbox_id, cause_request_id, hash) overriding system value"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::uuid, $10::text::jsonb,"
        " $11::text::jsonb, $12, $13, $14) returning chain, position, hash)"
        " update audit_heads h set position = w.position, hash = w.hash"
        " from written w where h.chain = w.chain",
        entry.chain,
        entry.position,
        entry.key_id,
        entry.prev_hash,
        entry.seq,
        entry.at,
        entry.actor,
        entry.action,
        entry.client_id,
        entry.before,
        entry.after,
        entry.cause_inbox_id,
        entry.cause_request_id,
        own_hash,
    )


async def list_audit(
    connection: Connection,
    *,
    client_id: str | None = None,
    since: datetime | None = None,
    before_seq: int | None = None,
    limit: int,
) -> list[AuditRow]:
    """Return the newest rows, the newest first; `before_seq` goes on where a page ended."""
    known = parse_id(client_id) if client_id is not None else None
    if client_id is not None and known is None:
        return []
    rows = await connection.fetch(
        "select seq, at, actor, action, client_id::text, before, after, cause_inbox_id,"
        " cause_request_id from audit"
        " where ($1::uuid is null or client_id = $1) and ($2::timestamptz is null or at >= $2)"
        " and ($3::bigint is null or seq < $3) order by seq desc limit $4",
        known,
        since,
        before_seq,
        limit,
    )
    return [AuditRow(**dict(row)) for row in rows]


async def list_heads(connection: Connection) -> list[Head]:
    """Return the last row of each chain."""
    rows = await connection.fetch("select chain, position, hash from audit_heads order by chain")
    return [Head(row["chain"], row["position"], row["hash"]) for row in rows]


async def stream_chain(connection: Connection, chain: int) -> AsyncIterator[tuple[Entry, bytes]]:
    """Yield the rows of the chain with their hashes, in order; within a transaction."""
    async for row in connection.cursor(
        f"select {_COLUMNS}, hash from audit"  # noqa: S608 - a constant
        " where chain = $1 and position is not null order by position",
        chain,
        prefetch=_PREFETCH,
    ):
        yield _entry_of(row), row["hash"] or b""


async def stream_unchained(connection: Connection) -> AsyncIterator[Entry]:
    """Yield the rows of before there were chains, in order; within a transaction."""
    async for row in connection.cursor(
        f"select {_COLUMNS} from audit where chain is null order by seq",  # noqa: S608 - a constant
        prefetch=_PREFETCH,
    ):
        yield _entry_of(row)


async def has_unchained(connection: Connection) -> bool:
    """Tell whether there are rows of before there were chains."""
    return bool(await connection.fetchval("select exists(select from audit where chain is null)"))


async def lock_chain(connection: Connection, chain: int) -> None:
    """Let nobody else write to the chain until the transaction ends."""
    await connection.execute("select from audit_heads where chain = $1 for update", chain)


async def find_first(connection: Connection, action: str, chain: int) -> dict[str, Any] | None:
    """Return what the chain's first row of the action says in `after`, or None."""
    found: dict[str, Any] | None = await connection.fetchval(
        "select after from audit where chain = $1 and action = $2 order by position limit 1",
        chain,
        action,
    )
    return found


async def list_strays(connection: Connection, limit: int) -> list[int]:
    """Return the `seq` of rows that claim a chain and have no place in one."""
    rows = await connection.fetch(
        "select seq from audit where chain is not null"
        " and (position is null or chain <> all($1::smallint[])) order by seq limit $2",
        list(ALL_CHAINS),
        limit,
    )
    return [row["seq"] for row in rows]


async def count_audit(connection: Connection) -> int:
    """Return how many rows there are."""
    return int(await connection.fetchval("select count(*) from audit"))


def _entry_of(row: asyncpg.Record) -> Entry:
    # A row that was tampered with may lack what ours always have.
    return Entry(
        chain=-1 if row["chain"] is None else row["chain"],
        position=row["position"] or 0,
        key_id=row["key_id"] or "",
        prev_hash=row["prev_hash"] or b"",
        seq=row["seq"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        client_id=row["client_id"],
        before=row["before"],
        after=row["after"],
        cause_inbox_id=row["cause_inbox_id"],
        cause_request_id=row["cause_request_id"],
    )
