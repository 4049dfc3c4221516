"""The inbox: every verified event once, kept until it is processed, not merely seen."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.facts import EventRef, ObjectRef, parse_ref
from billing.storage.pool import Connection, Database

CHANNEL = "tollway_inbox"
"""Wakes the worker at commit; the worker also polls, so a lost notice costs only time."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event that this worker may process until its lease ends."""

    id: int
    type: str
    ref: ObjectRef | None
    livemode: bool
    attempts: int


async def store_event(
    database: Database,
    psp: str,
    event: EventRef,
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
) -> bool:
    """Insert the event, or nothing if it came before; tell whether it is new."""
    async with database.transaction() as connection:
        inserted = await connection.fetchval(
            """
            insert into psp_inbox (psp, external_id, type, object_ref, livemode, api_version,
                                   occurred_at, received_at, body, headers, next_attempt_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $8)
            on conflict (psp, external_id) do nothing
            returning id
            """,
            psp,
            event.external_id,
            event.type,
            str(event.ref) if event.ref else None,
            event.livemode,
            event.api_version,
            event.occurred_at,
            now,
            body,
            json.dumps(dict(headers)),
        )
        if inserted is not None:
            await connection.execute("select pg_notify($1, '')", CHANNEL)
    return inserted is not None


async def claim_event(
    connection: Connection, psp: str, now: datetime, lease: timedelta
) -> Claimed | None:
    """Take the event that waits longest, or None.

    The claim is a lease: if its worker dies, the event is due again when it ends, and
    nobody has to clean up.
    """
    row = await connection.fetchrow(
        """
        update psp_inbox set attempts = attempts + 1, next_attempt_at = $2::timestamptz + $3
        where id = (select id from psp_inbox
                    where state in ('received', 'failed') and psp = $1 and next_attempt_at <= $2
                    order by next_attempt_at, id
                    for update skip locked limit 1)
        returning id, type, object_ref, livemode, attempts
        """,
        psp,
        now,
        lease,
    )
    if row is None:
        return None
    return Claimed(
        id=row["id"],
        type=row["type"],
        ref=parse_ref(row["object_ref"]),
        livemode=row["livemode"],
        attempts=row["attempts"],
    )


async def settle_event(
    connection: Connection, event_id: int, state: str, now: datetime, note: str | None = None
) -> None:
    """Mark the event `done`, `ignored` or `dead`."""
    await connection.execute(
        "update psp_inbox set state = $2, processed_at = $3, last_error = $4 where id = $1",
        event_id,
        state,
        now,
        note,
    )


async def postpone_event(
    connection: Connection, event_id: int, due_at: datetime, error: str
) -> None:
    """Leave the event for another try at `due_at`."""
    await connection.execute(
        "update psp_inbox set state = 'failed', next_attempt_at = $2, last_error = $3"
        " where id = $1",
        event_id,
        due_at,
        error[:2000],
    )
