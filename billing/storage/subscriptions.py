"""Subscriptions and their items: the facts, as last read from the provider."""

from datetime import datetime

from billing.catalog import Catalog
from billing.facts import ProviderSubscription
from billing.model import Cause, Subscription
from billing.storage.pool import Connection
from billing.transitions import Known, Observed
from policies.model import SubscriptionStatus


async def next_observation(connection: Connection) -> int:
    """Return a number higher than any taken before; take it while holding the lock."""
    return int(await connection.fetchval("select nextval('observations')"))


async def find_known(
    connection: Connection, psp: str, psp_sub_id: str, *, livemode: bool
) -> tuple[str, Known] | None:
    """Return the client of the subscription and what our row says of it."""
    row = await connection.fetchrow(
        "select client_id::text, status, started_at, closed_at, past_due_since from subscriptions"
        " where psp = $1 and livemode = $2 and psp_sub_id = $3",
        psp,
        livemode,
        psp_sub_id,
    )
    if row is None:
        return None
    known = Known(
        status=SubscriptionStatus(row["status"]),
        from_at=row["started_at"],
        closed_at=row["closed_at"],
        past_due_since=row["past_due_since"],
    )
    return row["client_id"], known


async def save_subscription(
    connection: Connection,
    psp: str,
    client_id: str,
    subscription: ProviderSubscription,
    observed: Observed,
    *,
    seq: int,
    observed_at: datetime,
    cause: Cause,
) -> str | None:
    """Write the row and return its id, or None if a later observation is there already."""
    saved: str | None = await connection.fetchval(
        """
        insert into subscriptions as s
            (client_id, psp, livemode, psp_sub_id, raw_status, status, started_at, trial_end,
             cancel_at, ended_at, closed_at, past_due_since, observed_seq, observed_at, source,
             verified, raw)
        values ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                $17::text::jsonb)
        on conflict (psp, livemode, psp_sub_id) do update set
            raw_status = excluded.raw_status, status = excluded.status,
            started_at = excluded.started_at, trial_end = excluded.trial_end,
            cancel_at = excluded.cancel_at, ended_at = excluded.ended_at,
            closed_at = excluded.closed_at, past_due_since = excluded.past_due_since,
            observed_seq = excluded.observed_seq, observed_at = excluded.observed_at,
            source = excluded.source, verified = excluded.verified, raw = excluded.raw
        where s.observed_seq < excluded.observed_seq
        returning id::text
        """,
        client_id,
        psp,
        subscription.livemode,
        subscription.psp_sub_id,
        subscription.raw_status,
        observed.status.value,
        observed.from_at,
        subscription.trial_end,
        subscription.cancel_at,
        subscription.ended_at,
        observed.closed_at,
        observed.past_due_since,
        seq,
        observed_at,
        cause.source.value,
        observed.verified,
        subscription.raw,
    )
    return saved


async def save_items(
    connection: Connection,
    subscription_id: str,
    subscription: ProviderSubscription,
    catalog: Catalog,
) -> None:
    """Make the item rows equal to the provider's items."""
    await connection.execute(
        "delete from subscription_items where subscription_id = $1::text::uuid"
        " and not psp_item_id = any($2::text[])",
        subscription_id,
        [item.psp_item_id for item in subscription.items],
    )
    rows = []
    for item in subscription.items:
        plan = catalog.by_price.get(item.psp_price_id)
        rows.append(
            (
                subscription_id,
                item.psp_item_id,
                item.psp_price_id,
                plan.id if plan else None,
                plan.version if plan else None,
                item.quantity,
                item.period_start,
                item.period_end,
            )
        )
    await connection.executemany(
        """
        insert into subscription_items (subscription_id, psp_item_id, psp_price_id, plan, version,
                                        quantity, period_start, period_end)
        values ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8)
        on conflict (subscription_id, psp_item_id) do update set
            psp_price_id = excluded.psp_price_id, plan = excluded.plan,
            version = excluded.version, quantity = excluded.quantity,
            period_start = excluded.period_start, period_end = excluded.period_end
        """,
        rows,
    )


async def list_subscriptions(connection: Connection, client_id: str) -> list[Subscription]:
    """Return the client's subscriptions, the newest first."""
    rows = await connection.fetch(
        """
        select s.id::text, s.psp_sub_id, s.status, s.cancel_at,
               array_agg(distinct p.name) filter (where p.name is not null) as plan_names,
               array_agg(distinct p.id) filter (where p.id is not null) as plan_ids,
               (select max(g.until_at) from grants g
                join subscription_items gi on gi.psp_item_id = g.source_id
                where g.source = 'item' and gi.subscription_id = s.id) as until_at
        from subscriptions s
        left join subscription_items i on i.subscription_id = s.id
        left join plans p on p.id = i.plan and p.version = i.version
        where s.client_id = $1::text::uuid
        group by s.id order by s.started_at desc
        """,
        client_id,
    )
    return [
        Subscription(
            id=row["id"],
            psp_sub_id=row["psp_sub_id"],
            status=SubscriptionStatus(row["status"]),
            plan_names=tuple(row["plan_names"] or ()),
            plan_ids=tuple(row["plan_ids"] or ()),
            until_at=row["until_at"],
            cancel_at=row["cancel_at"],
        )
        for row in rows
    ]
