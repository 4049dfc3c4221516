"""Differences between our rows and their provider that no event had told us of."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from billing.facts import ObjectRef
from billing.result import Change
from billing.storage.pool import Connection

# An event is sent within seconds, and applied within one.
_FRESH = timedelta(minutes=2)


async def is_explained(
    connection: Connection, psp: str, ref: ObjectRef, client_id: str | None, now: datetime
) -> bool:
    """Tell whether an event about the object, or about another of its client, is on its way.

    It waits in the inbox, or came a moment ago, so that it was applied while we read, or
    would have been. `now` is by the clock of the inbox.
    """
    return bool(
        await connection.fetchval(
            """
            select exists (
                select 1 from psp_inbox
                where psp = $1 and (state in ('received', 'failed') or received_at > $4)
                  and object_ref in (
                      select $2
                      union all select 'subscription:' || psp_sub_id from subscriptions
                      where client_id = $3::text::uuid
                      union all select 'payment:' || psp_payment_id from payments
                      where client_id = $3::text::uuid
                      union all select 'payment:' || psp_intent_id from payments
                      where client_id = $3::text::uuid
                      union all select 'checkout:' || psp_session_id from checkout_intents
                      where client_id = $3::text::uuid
                      union all select 'customer:' || psp_id from psp_customers
                      where client_id = $3::text::uuid))
            """,
            psp,
            str(ref),
            client_id,
            now - _FRESH,
        )
    )


async def save_drift(
    connection: Connection,
    psp: str,
    ref: ObjectRef,
    client_id: str | None,
    changes: Sequence[Change],
    found_by: str,
    now: datetime,
) -> None:
    """Write a row for each difference."""
    await connection.executemany(
        "insert into drift (at, psp, object_ref, client_id, field, before, after, found_by)"
        " values ($1, $2, $3, $4::text::uuid, $5, $6, $7, $8)",
        [
            (now, psp, str(ref), client_id, change.field, change.before, change.after, found_by)
            for change in changes
        ],
    )


async def is_known(connection: Connection, psp: str, ref: ObjectRef, change: Change) -> bool:
    """Tell whether just this difference was found before: what cannot be mended is told once."""
    return bool(
        await connection.fetchval(
            "select exists (select 1 from drift where psp = $1 and object_ref = $2 and field = $3"
            " and after is not distinct from $4)",
            psp,
            str(ref),
            change.field,
            change.after,
        )
    )
