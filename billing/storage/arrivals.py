"""New rows of the inbox: an event is there once, in whichever of its forms came first."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from billing.facts import EventRef
from billing.storage.pool import Connection

# Two unique indexes decide, on the id and on the id that both forms share. `on conflict` sees
# the rows of its own statement too: of an event that is in it twice, the first is inserted. The
# second insert waits for all of the first, whose ids it has to know.
_INSERT: Final = """
    with arriving as (
        select * from unnest($2::text[], $3::text[], $4::text[], $5::boolean[], $6::text[],
                             $7::timestamptz[], $8::timestamptz[], $9::bytea[], $10::text[],
                             $11::text[], $12::text[], $13::uuid[], $14::timestamptz[])
            as a (external_id, type, object_ref, livemode, api_version, occurred_at, received_at,
                  body, headers, twin, found_by, claim, due_at)
    ), first as (
        insert into psp_inbox (psp, external_id, type, object_ref, livemode, api_version,
                               occurred_at, received_at, body, headers, twin, found_by, claim,
                               attempts, next_attempt_at, state, processed_at, last_error)
        select $1, external_id, type, object_ref, livemode, api_version, occurred_at, received_at,
               body, headers::jsonb, twin, found_by, claim,
               case when claim is null then 0 else 1 end, due_at,
               case when object_ref is null then 'ignored' else 'received' end,
               case when object_ref is null then received_at end,
               case when object_ref is null then 'about nothing that is read' end
        from arriving
        on conflict do nothing
        returning id, external_id
    ), twins as (
        insert into psp_inbox (psp, external_id, type, object_ref, livemode, api_version,
                               occurred_at, received_at, body, headers, twin, found_by, is_twin,
                               next_attempt_at, state, processed_at, last_error)
        select $1, external_id, type, object_ref, livemode, api_version, occurred_at, received_at,
               body, headers::jsonb, twin, found_by, true,
               received_at, 'ignored', received_at, 'its other form came before'
        from arriving where external_id not in (select external_id from first)
        on conflict do nothing
        returning external_id
    )
    select external_id, id, 'new' as stored from first
    union all
    select external_id, null, 'twin' from twins
    """


class Stored(StrEnum):
    """Whether an event is new; a TWIN came before in its other form, and is not applied again."""

    NEW = "new"
    AGAIN = "again"
    TWIN = "twin"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verified event with its sealed body, which is empty if it came by no webhook.

    With a `token` it is claimed until `due_at`. One about nothing that is read has none, and is
    settled as it comes.
    """

    event: EventRef
    sealed: bytes
    headers: Mapping[str, str]
    received_at: datetime
    due_at: datetime
    is_listed: bool = False
    token: UUID | None = None


class Insertion(NamedTuple):
    """What became of an arrival; `id` is the row's if it is new."""

    stored: Stored
    id: int | None


async def insert_events(
    connection: Connection, psp: str, arrivals: Sequence[Arrival]
) -> list[Insertion]:
    """Insert the events in one statement, and tell what became of each, in their order.

    Of an event that is among them more than once, the first counts.
    """
    # All who insert take what they may have to wait for in one order, and never wait in a ring.
    ordered = sorted(arrivals, key=lambda each: each.event.twin or each.event.external_id)
    rows = await connection.fetch(_INSERT, psp, *zip(*map(_row, ordered), strict=True))
    inserted = {row["external_id"]: Insertion(Stored(row["stored"]), row["id"]) for row in rows}
    again = Insertion(Stored.AGAIN, None)
    return [inserted.pop(each.event.external_id, again) for each in arrivals]


async def list_known(connection: Connection, psp: str, external_ids: list[str]) -> set[str]:
    """Return those of the events that came before."""
    rows = await connection.fetch(
        "select external_id from psp_inbox where psp = $1 and external_id = any($2)",
        psp,
        external_ids,
    )
    return {row["external_id"] for row in rows}


def _row(arrival: Arrival) -> tuple[object, ...]:
    event = arrival.event
    return (
        event.external_id,
        event.type,
        str(event.ref) if event.ref else None,
        event.livemode,
        event.api_version,
        event.occurred_at,
        arrival.received_at,
        arrival.sealed,
        json.dumps(dict(arrival.headers)),
        event.twin,
        "list" if arrival.is_listed else "webhook",
        arrival.token,
        arrival.due_at,
    )
