"""Payments as one list: checkouts with the payment that each came to, and all other payments."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from billing.facts import DisputeState, PaymentState
from billing.storage.ids import parse_id
from billing.storage.pool import Connection

# A checkout's payment is the order's own, or the first one of its subscription.
_CHECKOUTS = """
    select i.id, i.client_id, jsonb_build_array(jsonb_build_array(i.plan, i.quantity)) as bought,
           i.state as checkout, i.url, i.created_at,
           coalesce(p.amount_minor, l.amount_minor * i.quantity) as amount_minor,
           coalesce(p.currency, l.currency) as currency, s.id as subscription_id,
           p.id as payment_id, p.psp_payment_id, p.psp_intent_id, p.status as payment,
           p.dispute, p.refunded_minor, p.paid_at
    from checkout_intents i
    join plans l on l.id = i.plan and l.version = i.version
    left join subscriptions s on s.psp = i.psp and s.livemode = i.livemode
                             and s.psp_sub_id = i.psp_sub_id
    left join lateral (
        select * from payments q
        where q.subscription_id = s.id
           or q.psp = i.psp and q.livemode = i.livemode and q.psp_payment_id = i.psp_payment_id
        order by q.created_at, q.id limit 1) p on true
"""
_OTHERS = """
    select p.id, p.client_id, coalesce(t.bought, '[]') as bought,
           null::text as checkout, null::text as url, p.created_at, p.amount_minor, p.currency,
           p.subscription_id, p.id as payment_id, p.psp_payment_id, p.psp_intent_id,
           p.status as payment, p.dispute, p.refunded_minor, p.paid_at
    from payments p
    left join lateral (
        select jsonb_agg(jsonb_build_array(plan, quantity) order by psp_item_id) as bought
        from subscription_items
        where subscription_id = p.subscription_id and plan is not null) t on true
"""
_IS_NO_CHECKOUTS = """
    not exists (
        select 1 from checkout_intents i where i.psp = p.psp and i.livemode = p.livemode
        and (i.psp_payment_id = p.psp_payment_id
             or i.psp_sub_id = (select psp_sub_id from subscriptions where id = p.subscription_id)
                and not exists (
                    select 1 from payments q where q.subscription_id = p.subscription_id
                    and (q.created_at, q.id) < (p.created_at, p.id))))
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A checkout, a payment, or both; `checkout` and `payment` are their states.

    `bought` are the plans that it is for, and how many of each. What is None belongs to the
    one that is not there.
    """

    id: str
    client_id: str
    bought: tuple[tuple[str, int], ...]
    checkout: str | None
    url: str | None
    created_at: datetime
    amount_minor: int
    currency: str
    subscription_id: str | None
    payment_id: str | None
    psp_payment_id: str | None
    psp_intent_id: str | None
    payment: PaymentState | None
    dispute: DisputeState
    refunded_minor: int
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list goes on: after the receipt of this instant and id."""

    created_at: datetime
    id: str


async def find_receipt(connection: Connection, any_id: str) -> Receipt | None:
    """Return the receipt of a checkout's or a payment's id; None too if it is no id at all."""
    row = await connection.fetchrow(
        f"""
        select * from ({_CHECKOUTS} where i.id = $1 or p.id = $1
                       union all {_OTHERS} where p.id = $1 and {_IS_NO_CHECKOUTS}) r
        limit 1
        """,  # noqa: S608 - the only text put in is our own
        parse_id(any_id),
    )
    return _receipt(row) if row else None


async def list_receipts(
    connection: Connection,
    *,
    client_id: str | None,
    app_id: str | None,
    after: Place | None,
    limit: int,
) -> list[Receipt]:
    """Return receipts, the newest first: of the client and for the app, where they are given."""
    rows = await connection.fetch(
        f"""
        (select * from ({_CHECKOUTS}
            where ($1::uuid is null or i.client_id = $1)
              and ($2::text is null or exists (
                    select 1 from plan_features f
                    where f.plan = i.plan and f.app_id = $2))
              and ($3::timestamptz is null or (i.created_at, i.id) < ($3, $4::uuid))
            order by i.created_at desc, i.id desc limit $5) c)
        union all
        (select * from ({_OTHERS}
            where {_IS_NO_CHECKOUTS}
              and ($1::uuid is null or p.client_id = $1)
              and ($2::text is null or exists (
                    select 1 from subscription_items n
                    join plan_features f on f.plan = n.plan
                    where n.subscription_id = p.subscription_id and f.app_id = $2))
              and ($3::timestamptz is null or (p.created_at, p.id) < ($3, $4::uuid))
            order by p.created_at desc, p.id desc limit $5) o)
        order by created_at desc, id desc limit $5
        """,  # noqa: S608 - the only text put in is our own
        parse_id(client_id) if client_id is not None else None,
        app_id,
        after.created_at if after else None,
        parse_id(after.id) if after else None,
        limit,
    )
    return [_receipt(row) for row in rows]


async def lock_payment(connection: Connection, payment_id: str) -> int:
    """Return how much of the payment's money is left, letting nobody else count it meanwhile."""
    return int(
        await connection.fetchval(
            "select amount_minor - refunded_minor from payments where id = $1 for update",
            parse_id(payment_id),
        )
    )


def _receipt(row: asyncpg.Record) -> Receipt:
    fields = dict(row)
    for name in ("id", "client_id", "subscription_id", "payment_id"):
        fields[name] = str(fields[name]) if fields[name] else None
    payment, dispute = fields.pop("payment"), fields.pop("dispute")
    fields["bought"] = tuple((plan, quantity) for plan, quantity in fields["bought"])
    return Receipt(
        **fields | {"refunded_minor": fields["refunded_minor"] or 0},
        payment=PaymentState(payment) if payment else None,
        dispute=DisputeState(dispute or "none"),
    )
