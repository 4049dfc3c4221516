"""Subscriptions and their items: the facts, as last read from the provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from billing.catalog import Catalog
from billing.client_facts import ItemFact
from billing.facts import PauseKind, ProviderSubscription
from billing.model import Subscription
from billing.storage.pool import Connection, ring_of
from billing.transitions import Known, Observed, Sighting
from policies.model import SubscriptionStatus

OVERLAP = "subscription.overlap"
"""What the audit log calls it when two live subscriptions give a client the same plan."""


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription as our tables tell it."""

    id: str
    client_id: str
    psp_sub_id: str
    raw_status: str
    status: SubscriptionStatus
    pause: PauseKind | None
    started_at: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    closed_at: datetime | None
    past_due_since: datetime | None
    psp_payment_id: str | None
    as_of: datetime
    verified: bool
    items: tuple[ItemFact, ...]

    @property
    def known(self) -> Known:
        """Return what the next observation builds on."""
        return Known(self.status, self.started_at, self.closed_at, self.past_due_since)

    def told(self) -> dict[str, object]:
        """Return what the provider says, by field, for comparing two readings."""
        told: dict[str, object] = {
            "status": self.status,
            "raw_status": self.raw_status,
            "verified": self.verified,
            "pause": self.pause,
            "started_at": self.started_at,
            "trial_end": self.trial_end,
            "cancel_at": self.cancel_at,
            "ended_at": self.ended_at,
        }
        return told | {
            f"item {item.psp_item_id}": (
                f"{item.quantity} of {item.psp_price_id} ({item.plan or 'no plan'}), "
                f"{item.period_start.isoformat()} to {item.period_end.isoformat()}"
            )
            for item in self.items
        }


_COLUMNS = """
    s.id::text, s.client_id::text, s.psp_sub_id, s.raw_status, s.status, s.pause, s.started_at,
    s.trial_end, s.cancel_at, s.ended_at, s.closed_at, s.past_due_since, s.psp_payment_id, s.as_of,
    s.verified,
    (select jsonb_agg(jsonb_build_array(
                i.psp_item_id, i.psp_price_id, i.plan, i.version, i.quantity,
                i.period_start, i.period_end) order by i.psp_item_id)
     from subscription_items i where i.subscription_id = s.id) as items
"""


async def next_observation(connection: Connection) -> int:
    """Return a number higher than any taken before; take it while holding the lock."""
    return int(await connection.fetchval("select nextval('observations')"))


async def find_subscription(
    connection: Connection, psp: str, psp_sub_id: str, *, livemode: bool
) -> SubscriptionRow | None:
    """Return the subscription as our tables tell it."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from subscriptions s"  # noqa: S608 - our own column list
        " where s.psp = $1 and s.livemode = $2 and s.psp_sub_id = $3",
        psp,
        livemode,
        psp_sub_id,
    )
    return _subscription(row) if row else None


async def list_rows(
    connection: Connection, client_id: str, *, livemode: bool
) -> list[SubscriptionRow]:
    """Return all the client's subscriptions, ended ones too."""
    rows = await connection.fetch(
        f"select {_COLUMNS} from subscriptions s"  # noqa: S608 - our own column list
        " where s.livemode = $1 and s.client_id = $2::text::uuid order by s.psp_sub_id",
        livemode,
        client_id,
    )
    return [_subscription(row) for row in rows]


async def is_overlap_told(
    connection: Connection, client_id: str, told: Mapping[str, object]
) -> bool:
    """Tell whether the audit log says already that the client pays twice for just this."""
    return bool(
        await connection.fetchval(
            "select exists (select 1 from audit where client_id = $1::text::uuid"
            " and action = $2 and after @> $3)",
            client_id,
            OVERLAP,
            told,
        )
    )


async def list_living(
    connection: Connection, psp: str, psp_customer_id: str, *, livemode: bool
) -> list[str]:
    """Return the provider's ids of what the customer pays for and has not ended."""
    rows = await connection.fetch(
        "select psp_sub_id from subscriptions where psp = $1 and livemode = $2"
        " and psp_customer_id = $3 and status <> 'ended' order by psp_sub_id",
        psp,
        livemode,
        psp_customer_id,
    )
    return [row["psp_sub_id"] for row in rows]


async def save_subscription(
    connection: Connection,
    psp: str,
    client_id: str,
    subscription: ProviderSubscription,
    observed: Observed,
    sighting: Sighting,
) -> str | None:
    """Write the row and return its id, or None if a later observation is there already."""
    saved: str | None = await connection.fetchval(
        """
        insert into subscriptions as s
            (client_id, psp, livemode, psp_sub_id, psp_customer_id, psp_payment_id, raw_status,
             status, pause, started_at, trial_end, cancel_at, ended_at, closed_at, past_due_since,
             observed_seq, observed_at, as_of, source, verified, raw_enc)
        values ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                $17, $18, $19, $20,
                -- Who asked to be forgotten is not written down again.
                case when exists (select 1 from clients where id = $1::text::uuid
                                  and erased_at is not null) then null else $21::bytea end)
        on conflict (psp, livemode, psp_sub_id) do update set
            psp_customer_id = excluded.psp_customer_id, psp_payment_id = excluded.psp_payment_id,
            raw_status = excluded.raw_status, status = excluded.status, pause = excluded.pause,
            started_at = excluded.started_at, trial_end = excluded.trial_end,
            cancel_at = excluded.cancel_at, ended_at = excluded.ended_at,
            closed_at = excluded.closed_at, past_due_since = excluded.past_due_since,
            observed_seq = excluded.observed_seq, observed_at = excluded.observed_at,
            as_of = excluded.as_of, source = excluded.source, verified = excluded.verified,
            raw_enc = excluded.raw_enc
        where s.observed_seq < excluded.observed_seq
        returning id::text
        """,
        client_id,
        psp,
        subscription.livemode,
        subscription.psp_sub_id,
        subscription.psp_customer_id,
        subscription.psp_payment_id,
        subscription.raw_status,
        observed.status.value,
        subscription.pause.value if subscription.pause else None,
        observed.from_at,
        subscription.trial_end,
        subscription.cancel_at,
        subscription.ended_at,
        observed.closed_at,
        observed.past_due_since,
        sighting.seq,
        sighting.at,
        sighting.as_of,
        sighting.cause.source.value,
        observed.verified,
        ring_of(connection).seal(
            subscription.raw.encode(), f"subscriptions.raw_enc.{psp}:{subscription.psp_sub_id}"
        ),
    )
    return saved


async def save_items(
    connection: Connection,
    subscription_id: str,
    subscription: ProviderSubscription,
    catalog: Catalog,
) -> None:
    """Make the item rows equal to the provider's items.

    Where no plan has an item's price, its row keeps the plan that it bought before.
    """
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
        insert into subscription_items as i (subscription_id, psp_item_id, psp_price_id, plan,
                                             version, quantity, period_start, period_end)
        values ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8)
        on conflict (subscription_id, psp_item_id) do update set
            psp_price_id = excluded.psp_price_id, plan = coalesce(excluded.plan, i.plan),
            version = coalesce(excluded.version, i.version), quantity = excluded.quantity,
            period_start = excluded.period_start, period_end = excluded.period_end
        """,
        rows,
    )


async def list_subscriptions(
    connection: Connection, client_id: str, now: datetime
) -> list[Subscription]:
    """Return the client's subscriptions as they are now, the newest first."""
    rows = await connection.fetch(
        """
        select s.id::text, s.psp_sub_id, s.status, s.cancel_at,
               array_agg(distinct p.name) filter (where p.name is not null) as plan_names,
               array_agg(distinct p.id) filter (where p.id is not null) as plan_ids,
               exists (select 1 from payments p where p.psp = s.psp and p.livemode = s.livemode
                       and p.psp_payment_id = s.psp_payment_id and p.status = 'settling')
                   as is_settling,
               (select max(g.until_at) from grants g
                join subscription_items gi on gi.psp_item_id = g.source_id
                where g.source = 'item' and gi.subscription_id = s.id
                  and g.revoked_at is null) as until_at
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
            is_open=row["until_at"] is not None and row["until_at"] > now,
            is_settling=row["is_settling"],
        )
        for row in rows
    ]


def _subscription(row: asyncpg.Record) -> SubscriptionRow:
    fields = dict(row)
    pause = fields.pop("pause")
    items = tuple(
        ItemFact(*item[:5], *(datetime.fromisoformat(at) for at in item[5:]))
        for item in fields.pop("items") or ()
    )
    status = SubscriptionStatus(fields.pop("status"))
    return SubscriptionRow(
        **fields, status=status, pause=PauseKind(pause) if pause else None, items=items
    )
