"""What a client pays for or bought for ever, as its owner sees it."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from billing.storage.ids import parse_id
from billing.storage.pool import Connection
from billing.views import ItemView, SubscriptionView
from policies.model import SubscriptionStatus

_SELECT = """
    select s.id::text, s.client_id::text, s.psp_sub_id, s.status, s.started_at, s.trial_end,
           s.cancel_at, s.ended_at, s.verified as is_verified,
           exists (select 1 from payments p where p.psp = s.psp and p.livemode = s.livemode
                   and p.psp_payment_id = s.psp_payment_id and p.status = 'settling')
               as is_settling,
           (select jsonb_agg(jsonb_build_array(
                        i.psp_item_id, i.plan, i.version, i.quantity,
                        i.period_start, i.period_end,
                        (select max(least(g.until_at, g.revoked_at)) from grants g
                         where g.source = 'item' and g.source_id = i.psp_item_id))
                    order by i.psp_item_id)
            from subscription_items i where i.subscription_id = s.id) as items
    from subscriptions s
"""


async def find_subscription_view(
    connection: Connection, subscription_id: str
) -> SubscriptionView | None:
    """Return the subscription; None too if `subscription_id` is no id at all."""
    row = await connection.fetchrow(f"{_SELECT} where s.id = $1", parse_id(subscription_id))
    return _view(row) if row else None


async def list_subscription_views(
    connection: Connection, client_id: str, app_id: str | None = None
) -> tuple[SubscriptionView, ...]:
    """Return the client's subscriptions, the newest first; with `app_id` those that give it."""
    rows = await connection.fetch(
        f"""{_SELECT}
        where s.client_id = $1
          and ($2::text is null or exists (
                select 1 from subscription_items i
                join plan_features f on f.plan = i.plan
                where i.subscription_id = s.id and f.app_id = $2))
        order by s.started_at desc, s.id
        """,  # noqa: S608 - the only text put in is our own
        parse_id(client_id),
        app_id,
    )
    return tuple(_view(row) for row in rows)


@dataclass(frozen=True, slots=True)
class ItemStanding:
    """What an item is now; `is_asked` tells that its subscription's latest bill is not paid yet."""

    psp_price_id: str
    quantity: int
    is_asked: bool


async def find_item_standing(
    connection: Connection, psp: str, psp_sub_id: str, psp_item_id: str, *, livemode: bool
) -> ItemStanding | None:
    """Return what the subscription's item is now; None if there is none of that id any more."""
    row = await connection.fetchrow(
        """
        select i.psp_price_id, i.quantity,
               coalesce(p.status in ('draft', 'open', 'settling', 'failed'), false) as is_asked
        from subscriptions s
        join subscription_items i on i.subscription_id = s.id and i.psp_item_id = $4
        left join payments p on p.psp = s.psp and p.livemode = s.livemode
                            and p.psp_payment_id = s.psp_payment_id
        where s.psp = $1 and s.livemode = $2 and s.psp_sub_id = $3
        """,
        psp,
        livemode,
        psp_sub_id,
        psp_item_id,
    )
    return ItemStanding(**dict(row)) if row else None


async def list_bought_for_ever(connection: Connection, client_id: str) -> list[tuple[str, int]]:
    """Return the plan versions that the client bought once and still has."""
    rows = await connection.fetch(
        "select distinct plan, version from grants where client_id = $1 and source = 'order'"
        " and until_at is null and revoked_at is null order by plan, version",
        parse_id(client_id),
    )
    return [(row["plan"], row["version"]) for row in rows]


async def list_names_bought_for_ever(connection: Connection, client_id: str) -> list[str]:
    """Return the names of the plans that the client bought once and still has."""
    rows = await connection.fetch(
        "select distinct p.name from grants g"
        " join plans p on p.id = g.plan and p.version = g.version"
        " where g.client_id = $1 and g.source = 'order'"
        " and g.until_at is null and g.revoked_at is null order by p.name",
        parse_id(client_id),
    )
    return [row["name"] for row in rows]


async def had_plan(connection: Connection, client_id: str, plan_id: str) -> bool:
    """Tell whether the client ever had a subscription of the plan, in any version."""
    return bool(
        await connection.fetchval(
            "select exists (select 1 from subscription_items i"
            " join subscriptions s on s.id = i.subscription_id"
            " where s.client_id = $1 and i.plan = $2)",
            parse_id(client_id),
            plan_id,
        )
    )


def _view(row: asyncpg.Record) -> SubscriptionView:
    fields = dict(row)
    items = tuple(
        ItemView(
            id=item_id,
            plan=plan,
            version=version,
            quantity=quantity,
            period_start=datetime.fromisoformat(start),
            period_end=datetime.fromisoformat(end),
            until_at=datetime.fromisoformat(until) if until else None,
        )
        for item_id, plan, version, quantity, start, end, until in fields.pop("items") or ()
    )
    return SubscriptionView(
        **fields | {"status": SubscriptionStatus(fields["status"])},
        items=items,
        until_at=max((item.until_at for item in items if item.until_at), default=None),
    )
