"""Checkout intents: one open checkout for a client and plan, and where it returns to."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from billing.model import Plan
from billing.storage.ids import parse_id
from billing.storage.pool import Connection


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt to buy. `psp_session_id` and `url` are None until the provider answered."""

    id: str
    client_id: str
    plan: str
    version: int
    psp_session_id: str | None
    url: str | None
    idempotency_key: str
    state: str
    return_host: str
    return_to: str


_COLUMNS = (
    "id::text, client_id::text, plan, version, psp_session_id, url, idempotency_key, state,"
    " return_host, return_to"
)


async def open_intent(
    connection: Connection,
    client_id: str,
    plan: Plan,
    psp: str,
    *,
    livemode: bool,
    return_host: str,
    return_to: str,
    now: datetime,
) -> Intent:
    """Return the open intent of the client for the plan, made now if there is none.

    One insert against a unique index decides: of two clicks at once, one makes the
    intent and the other finds it. The page to return to is that of the latest click.
    """
    row = await connection.fetchrow(
        f"""
        insert into checkout_intents
            (client_id, plan, version, psp, livemode, idempotency_key, state, return_host,
             return_to, created_at)
        values ($1::text::uuid, $2, $3, $4, $5, 'checkout:' || gen_random_uuid(), 'open', $6, $7,
                $8)
        on conflict (client_id, plan, psp) where state = 'open'
            do update set return_host = excluded.return_host, return_to = excluded.return_to
        returning {_COLUMNS}
        """,  # noqa: S608 - the only text put in is our own column list
        client_id,
        plan.id,
        plan.version,
        psp,
        livemode,
        return_host,
        return_to,
        now,
    )
    if row is None:
        raise AssertionError("an insert that returns always gives a row")
    return _intent(row)


async def attach_session(
    connection: Connection, intent_id: str, psp_session_id: str, url: str | None
) -> None:
    """Note the provider's session on the intent."""
    await connection.execute(
        "update checkout_intents set psp_session_id = $2, url = $3 where id = $1::text::uuid",
        intent_id,
        psp_session_id,
        url,
    )


async def close_intent(
    connection: Connection, psp: str, psp_session_id: str, state: str, *, livemode: bool
) -> bool:
    """Move the session's intent to an end state; tell whether this call moved it.

    A completed intent stays completed: money that came is not undone by a late event.
    """
    status = await connection.execute(
        "update checkout_intents set state = $4"
        " where psp = $1 and livemode = $2 and psp_session_id = $3"
        " and state <> 'completed' and state <> $4",
        psp,
        livemode,
        psp_session_id,
        state,
    )
    return status != "UPDATE 0"


async def fail_intent(connection: Connection, intent_id: str) -> None:
    """Free the client's open slot after the provider refused to open the checkout."""
    await connection.execute(
        "update checkout_intents set state = 'failed' where id = $1::text::uuid and state = 'open'",
        intent_id,
    )


async def find_client(
    connection: Connection, psp: str, psp_session_id: str, *, livemode: bool
) -> str | None:
    """Return the client for whom the session was opened."""
    intent = await find_intent(connection, psp, psp_session_id, livemode=livemode)
    return intent.client_id if intent else None


async def find_intent(
    connection: Connection, psp: str, psp_session_id: str, *, livemode: bool
) -> Intent | None:
    """Return the intent of the session."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from checkout_intents"  # noqa: S608 - our own column list
        " where psp = $1 and livemode = $2 and psp_session_id = $3",
        psp,
        livemode,
        psp_session_id,
    )
    return _intent(row) if row else None


async def find_intent_by_id(connection: Connection, intent_id: str) -> Intent | None:
    """Return the intent; None too if `intent_id` is no id at all."""
    known = parse_id(intent_id)
    if known is None:
        return None
    row = await connection.fetchrow(
        f"select {_COLUMNS} from checkout_intents where id = $1",  # noqa: S608 - our own
        known,
    )
    return _intent(row) if row else None


def _intent(row: asyncpg.Record) -> Intent:
    return Intent(**dict(row))
