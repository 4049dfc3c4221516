"""The claim of the inbox: what waits longest, with all that is due of the same object."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from billing.storage.pool import Connection

# Written so that every part of it can only go by its index. In a burst the planner knows
# nothing of the rows yet, and what joins them would take the square of their number: with
# 3,000 in the inbox one claim took 2.3 s. Scalar subqueries and arrays are never made joins.
_CLAIM = """
    with head as (
        select id, object_ref from psp_inbox i
        where state in ('received', 'failed') and psp = $1 and next_attempt_at <= $2
          and (select o.id from psp_inbox o
               where o.psp = $1 and o.object_ref = i.object_ref
                 and o.state in ('received', 'failed')
                 and o.claim is not null and o.next_attempt_at > $2 limit 1) is null
        order by next_attempt_at, id
        for update skip locked limit 1
    )
    update psp_inbox i
    set attempts = attempts + 1, next_attempt_at = $2::timestamptz + $3, claim = $4
    where i.id = any((select id from head) || array(
        select o.id from psp_inbox o
        where o.state in ('received', 'failed') and o.psp = $1
          and o.object_ref = (select object_ref from head)
          and o.next_attempt_at <= $2 and o.id <> (select id from head)
        order by o.id
        for update skip locked limit $5))
    returning i.id, i.type, i.object_ref, i.attempts, i.outages,
              i.id = (select id from head) as is_head
    """


async def claim_events(
    connection: Connection, psp: str, now: datetime, lease: timedelta, token: UUID, limit: int
) -> list[asyncpg.Record]:
    """Claim the events with the token, and return their rows; `is_head` waited longest."""
    return await connection.fetch(_CLAIM, psp, now, lease, token, limit)


async def settle_claim(
    connection: Connection,
    token: UUID,
    state: str,
    now: datetime,
    note: str | None,
    client_id: str | None,
) -> None:
    """Mark the events of the claim as processed; of who was erased, no body is kept."""
    await connection.execute(
        """
        update psp_inbox
        set state = $2, processed_at = $3, last_error = $4, claim = null,
            body = case when exists (select from clients where id = $5::text::uuid
                                     and erased_at is not null) then '' else body end
        where claim = $1
        """,
        token,
        state,
        now,
        note,
        client_id,
    )
