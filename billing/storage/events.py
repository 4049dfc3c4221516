"""The inbox as operators see it: what came, what became of it, and another try."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from billing.model import Cause, Source
from billing.storage import audit
from billing.storage.pool import Connection, ring_of
from billing.webhooks.inbox import CHANNEL, body_context


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; None is every one. `client_id` is whose objects they are about.

    `before_id` goes on where a list ended.
    """

    state: str | None = None
    type: str | None = None
    since: datetime | None = None
    client_id: str | None = None
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as the inbox has it, without its body."""

    id: int
    psp: str
    external_id: str
    type: str
    object_ref: str | None
    state: str
    attempts: int
    outages: int
    found_by: str
    api_version: str | None
    twin: str | None
    occurred_at: datetime
    received_at: datetime
    next_attempt_at: datetime
    processed_at: datetime | None
    last_error: str | None


_COLUMNS = (
    "id, psp, external_id, type, object_ref, state, attempts, outages, found_by, api_version,"
    " twin, occurred_at, received_at, next_attempt_at, processed_at, last_error"
)


async def list_events(connection: Connection, wanted: EventFilter, *, limit: int) -> list[EventRow]:
    """Return the latest events that fit, the newest first."""
    rows = await connection.fetch(
        f"""
        select {_COLUMNS} from psp_inbox
        where ($1::text is null or state = $1) and ($2::text is null or type = $2)
          and ($3::timestamptz is null or received_at >= $3)
          and ($4::text is null or object_ref in (
              select 'subscription:' || psp_sub_id from subscriptions
              where client_id = $4::text::uuid
              union all select 'payment:' || unnest(psp_payment_id || (psp_intent_id || other_ids))
              from payments where client_id = $4::text::uuid
              union all select 'checkout:' || psp_session_id from checkout_intents
              where client_id = $4::text::uuid
              union all select 'customer:' || psp_id from psp_customers
              where client_id = $4::text::uuid))
          and ($5::bigint is null or id < $5)
        order by id desc limit $6
        """,  # noqa: S608 - our own column list
        wanted.state,
        wanted.type,
        wanted.since,
        wanted.client_id,
        wanted.before_id,
        limit,
    )
    return [_event(row) for row in rows]


async def find_event(connection: Connection, event_id: int) -> EventRow | None:
    """Return the event."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from psp_inbox where id = $1",  # noqa: S608 - our own column list
        event_id,
    )
    return _event(row) if row else None


async def get_body(connection: Connection, event: EventRow) -> bytes:
    """Return what the provider sent; empty where it sent nothing.

    Raises:
        DamagedError: it was changed, or is from before bodies were sealed.
        UnknownKeyError: it was sealed with a key that is not configured.
    """
    body = await connection.fetchval("select body from psp_inbox where id = $1", event.id)
    if not body:
        return b""
    return ring_of(connection).open(body, body_context(event.psp, event.external_id))


async def count_states(connection: Connection) -> dict[str, int]:
    """Return how many events wait, failed and are dead; settled ones are not counted."""
    rows = await connection.fetch(
        "select state, count(*) as events from psp_inbox"
        " where state in ('received', 'failed') group by state"
        " union all select 'dead', count(*) from psp_inbox where state = 'dead'"
    )
    return {row["state"]: row["events"] for row in rows}


async def list_dead(connection: Connection, *, limit: int) -> list[int]:
    """Return the ids of dead events, the oldest first."""
    rows = await connection.fetch(
        "select id from psp_inbox where state = 'dead' order by id limit $1", limit
    )
    return [row["id"] for row in rows]


async def replay_events(
    connection: Connection, event_ids: Sequence[int], operator: str, now: datetime
) -> list[int]:
    """Let the events be applied as if they had just come; return which of them could be.

    Left out are those that are about nothing that is read, and those being worked on just now.
    """
    rows = await connection.fetch(
        """
        with old as (
            select id, state from psp_inbox
            where id = any($1::bigint[]) and object_ref is not null
              and (claim is null or next_attempt_at <= $2)
            order by id for update
        )
        update psp_inbox i
        set state = 'received', attempts = 0, outages = 0, next_attempt_at = $2,
            processed_at = null, last_error = null, claim = null
        from old where i.id = old.id
        returning i.id, i.external_id, old.state as old_state
        """,
        list(event_ids),
        now,
    )
    if rows:
        await connection.execute("select pg_notify($1, '')", CHANNEL)
    for row in sorted(rows, key=lambda row: int(row["id"])):
        await audit.write_audit(
            connection,
            "event.replayed",
            None,
            Cause(Source.ADMIN, operator, row["id"]),
            before={"state": row["old_state"]},
            after={"state": "received", "event": row["external_id"]},
        )
    return sorted(row["id"] for row in rows)


async def find_client_id(connection: Connection, name: str) -> str | None:
    """Return the id of the client of that id or external id."""
    found: str | None = await connection.fetchval(
        "select id::text from clients where id::text = $1 or external_id = $1"
        " order by id::text = $1 desc limit 1",
        name,
    )
    return found


def _event(row: asyncpg.Record) -> EventRow:
    return EventRow(**dict(row))
