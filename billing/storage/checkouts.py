"""Checkout intents: one open checkout for a client and plan, and where it returns to."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from billing.model import Plan
from billing.storage.ids import parse_id
from billing.storage.pool import Connection


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt to buy. `psp_session_id` and `url` are None until the provider answered.

    `trial_days` and `psp_customer_id` are what the provider is told with the key: what is
    known of the client may change, and a repeat has to say the same.
    """

    id: str
    client_id: str
    plan: str
    version: int
    quantity: int
    trial_days: int
    psp_customer_id: str | None
    psp_session_id: str | None
    url: str | None
    idempotency_key: str
    state: str
    return_host: str
    return_to: str
    created_at: datetime

    def is_for(self, plan: Plan, quantity: int) -> bool:
        """Tell whether it buys so many of the plan as it is for sale now."""
        return (self.plan, self.version, self.quantity) == (plan.id, plan.version, quantity)


_COLUMNS = (
    "id::text, client_id::text, plan, version, quantity, trial_days, psp_customer_id,"
    " psp_session_id, url, idempotency_key, state, return_host, return_to, created_at"
)


async def open_intent(
    connection: Connection,
    client_id: str,
    plan: Plan,
    psp: str,
    *,
    livemode: bool,
    quantity: int,
    trial_days: int,
    psp_customer_id: str | None,
    return_host: str,
    return_to: str,
    now: datetime,
) -> Intent:
    """Return the open intent of the client for the plan, made now if there is none.

    One insert against a unique index decides: of two clicks at once, one makes the
    intent and the other finds it. That may be for another quantity or version (see
    `Intent.is_for`). The page to return to is that of the latest click.
    """
    row = await connection.fetchrow(
        f"""
        insert into checkout_intents
            (client_id, plan, version, psp, livemode, quantity, trial_days, psp_customer_id,
             idempotency_key, state, return_host, return_to, created_at)
        values ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8, 'checkout:' || gen_random_uuid(),
                'open', $9, $10, $11)
        on conflict (client_id, plan, psp) where state = 'open'
            do update set return_host = excluded.return_host, return_to = excluded.return_to
        returning {_COLUMNS}
        """,  # noqa: S608 - the only text put in is our own column list
        client_id,
        plan.id,
        plan.version,
        psp,
        livemode,
        quantity,
        trial_days,
        psp_customer_id,
        return_host,
        return_to,
        now,
    )
    if row is None:
        raise AssertionError("an insert that returns always gives a row")
    return _intent(row)


async def attach_session(
    connection: Connection, intent_id: str, psp_session_id: str, url: str | None
) -> bool:
    """Note the provider's session on the intent; False if the intent is not open any more."""
    status = await connection.execute(
        "update checkout_intents set psp_session_id = $2, url = $3"
        " where id = $1::text::uuid and state = 'open'",
        intent_id,
        psp_session_id,
        url,
    )
    return status != "UPDATE 0"


async def fail_intent(connection: Connection, intent_id: str) -> None:
    """Free the client's open slot, where the provider has nothing open for it."""
    await connection.execute(
        "update checkout_intents set state = 'failed' where id = $1::text::uuid and state = 'open'",
        intent_id,
    )


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


async def find_unread(
    connection: Connection, client_id: str, plan_id: str, psp: str, *, livemode: bool
) -> str | None:
    """Return the session of a completed checkout of the plan whose result we have not read yet."""
    found: str | None = await connection.fetchval(
        """
        select i.psp_session_id from checkout_intents i
        where i.client_id = $1::text::uuid and i.plan = $2 and i.psp = $3 and i.livemode = $4
          and i.state = 'completed'
          and (i.psp_sub_id is not null and not exists (
                    select 1 from subscriptions s where s.psp = i.psp
                    and s.livemode = i.livemode and s.psp_sub_id = i.psp_sub_id)
               or i.psp_payment_id is not null and not exists (
                    select 1 from payments p where p.psp = i.psp
                    and p.livemode = i.livemode and p.psp_payment_id = i.psp_payment_id))
        limit 1
        """,
        client_id,
        plan_id,
        psp,
        livemode,
    )
    return found


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What a caller's key was used for, and what the checkout came to."""

    plan: str
    quantity: int
    state: str


async def find_key(connection: Connection, client_id: str, key: str) -> KeyUse | None:
    """Return what the client's key was used for."""
    row = await connection.fetchrow(
        """
        select k.plan, k.quantity, i.state
        from checkout_keys k join checkout_intents i on i.id = k.intent_id
        where k.client_id = $1::text::uuid and k.key = $2
        """,
        client_id,
        key,
    )
    return KeyUse(**dict(row)) if row else None


async def use_key(
    connection: Connection, client_id: str, key: str, intent: Intent, now: datetime
) -> bool:
    """Let the key lead to the intent; False if it was used for another plan or quantity."""
    status = await connection.execute(
        """
        insert into checkout_keys as k (client_id, key, plan, quantity, intent_id, created_at)
        values ($1::text::uuid, $2, $3, $4, $5::text::uuid, $6)
        on conflict (client_id, key) do update set intent_id = excluded.intent_id
        where (k.plan, k.quantity) = (excluded.plan, excluded.quantity)
        """,
        client_id,
        key,
        intent.plan,
        intent.quantity,
        intent.id,
        now,
    )
    return status != "INSERT 0 0"


def _intent(row: asyncpg.Record) -> Intent:
    return Intent(**dict(row))


async def forget_returns(connection: Connection, client_id: UUID) -> None:
    """Forget the pages that the client came from, which may tell more of it than where."""
    await connection.execute(
        "update checkout_intents set return_to = '/' where client_id = $1", client_id
    )


async def fail_unopened(connection: Connection, client_id: UUID) -> None:
    """Give up intents of which no page is known; one that is being opened is closed then."""
    await connection.execute(
        "update checkout_intents set state = 'failed'"
        " where client_id = $1 and state = 'open' and psp_session_id is null",
        client_id,
    )


async def has_open_page(connection: Connection, client_id: UUID) -> bool:
    """Tell whether the client may yet pay on a page of a provider's."""
    return bool(
        await connection.fetchval(
            "select exists (select from checkout_intents"
            " where client_id = $1 and state = 'open' and psp_session_id is not null)",
            client_id,
        )
    )
