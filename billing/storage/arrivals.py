"""New rows of the inbox: an event is there once, in whichever of its forms came first."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from billing.facts import EventRef
from billing.storage.pool import Connection

_NOT_READ = "about nothing that is read"
_TWIN = "its other form came before"
_INSERT = """
    insert into psp_inbox (psp, external_id, type, object_ref, livemode, api_version, occurred_at,
                           received_at, body, headers, twin, found_by, is_twin, state,
                           processed_at, last_error, claim, attempts, next_attempt_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
    on conflict do nothing
    returning id
    """


class Stored(StrEnum):
    """Whether an event is new; a TWIN came before in its other form, and is not applied again."""

    NEW = "new"
    AGAIN = "again"
    TWIN = "twin"


async def insert_event(
    connection: Connection,
    psp: str,
    event: EventRef,
    sealed: bytes,
    headers: Mapping[str, str],
    now: datetime,
    *,
    is_listed: bool,
    token: UUID | None,
    due_at: datetime,
) -> tuple[Stored, int | None]:
    """Insert the event, and return the row's id if it is new.

    With a `token` it is claimed until `due_at`. One about nothing that is read is settled.
    Two unique indexes decide, on the id and on the id that both forms share.
    """
    fixed = (
        psp,
        event.external_id,
        event.type,
        str(event.ref) if event.ref else None,
        event.livemode,
        event.api_version,
        event.occurred_at,
        now,
        sealed,
        dict(headers),
        event.twin,
        "list" if is_listed else "webhook",
    )
    row: tuple[object, ...]
    if event.ref is None:
        row = (*fixed, False, "ignored", now, _NOT_READ, None, 0, now)
    else:
        row = (*fixed, False, "received", None, None, token, 1 if token else 0, due_at)
    inserted: int | None = await connection.fetchval(_INSERT, *row)
    if inserted is not None:
        return Stored.NEW, inserted
    row = (*fixed, True, "ignored", now, _TWIN, None, 0, now)
    is_twin = await connection.fetchval(_INSERT, *row) is not None
    return (Stored.TWIN if is_twin else Stored.AGAIN), None


async def list_known(connection: Connection, psp: str, external_ids: list[str]) -> set[str]:
    """Return those of the events that came before."""
    rows = await connection.fetch(
        "select external_id from psp_inbox where psp = $1 and external_id = any($2)",
        psp,
        external_ids,
    )
    return {row["external_id"] for row in rows}
