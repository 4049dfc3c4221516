"""What the reconciler reads next: what is about to change, what is doubtful, and a share of all.

An instant is by the provider's clock. Only objects of one provider in one mode are listed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from billing.facts import ObjectKind, ObjectRef
from billing.storage.pool import Connection

_AHEAD = timedelta(hours=24)
# What passed and was not renewed is looked at hourly for as long as somebody may mend it;
# after that the daily share is enough.
_BEHIND = timedelta(days=3)
_AGAIN = timedelta(hours=1)
_DOUBT_AGAIN = timedelta(minutes=5)
# A hosted checkout lives for a day (Stripe, `expires_at`).
_SESSION = timedelta(hours=24)
# Refunds and disputes come for 90 days and more; later ones still have their events.
_MONEY = timedelta(days=90)
# An ended subscription never changes again; read for a while, in case we misread the end.
_ENDED = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class Due:
    """An object to be read, and what brought it up."""

    ref: ObjectRef
    found_by: str


@dataclass(frozen=True, slots=True)
class _Share:
    """Objects that are all read within some days: how to find them."""

    table: str
    id: str
    condition: str


# $3 is the present instant.
_SHARES: Final = {
    ObjectKind.SUBSCRIPTION: _Share(
        "subscriptions",
        "psp_sub_id",
        "(status <> 'ended' or closed_at is null"
        f" or closed_at > $3::timestamptz - interval '{_ENDED.days} days')",
    ),
    ObjectKind.PAYMENT: _Share(
        "payments",
        "psp_payment_id",
        f"status <> 'void' and created_at > $3::timestamptz - interval '{_MONEY.days} days'",
    ),
    ObjectKind.CUSTOMER: _Share(
        "psp_customers", "psp_id", "unlinked_at is null and $3::timestamptz is not null"
    ),
}
_CHECKED: Final = {
    ObjectKind.SUBSCRIPTION: ("subscriptions", "psp_sub_id"),
    ObjectKind.PAYMENT: ("payments", "psp_payment_id"),
    ObjectKind.CHECKOUT: ("checkout_intents", "psp_session_id"),
    ObjectKind.CUSTOMER: ("psp_customers", "psp_id"),
}


@dataclass(frozen=True, slots=True)
class Account:
    """Whose objects are listed."""

    psp: str
    livemode: bool


async def list_unverified(
    connection: Connection, account: Account, now: datetime, limit: int
) -> list[Due]:
    """Return subscriptions of which we know only what an event's body said."""
    rows = await connection.fetch(
        "select psp_sub_id as id from subscriptions where psp = $1 and livemode = $2"
        " and not verified and (checked_at is null or checked_at <= $3)"
        " order by checked_at nulls first limit $4",
        account.psp,
        account.livemode,
        now - _DOUBT_AGAIN,
        limit,
    )
    return [Due(ObjectRef(ObjectKind.SUBSCRIPTION, row["id"]), "unverified") for row in rows]


async def list_expiring(
    connection: Connection, account: Account, now: datetime, limit: int
) -> list[Due]:
    """Return live subscriptions of which an item stops opening doors within a day, or just did.

    Each comes once in the day before, once when it has passed, and then hourly while it is
    still live in our rows.
    """
    rows = await connection.fetch(
        """
        select s.psp_sub_id as id
        from grants g
        join subscription_items i on i.psp_item_id = g.source_id
        join subscriptions s on s.id = i.subscription_id
        where g.source = 'item' and g.revoked_at is null
          and g.until_at > $3::timestamptz - $5::interval
          and g.until_at <= $3::timestamptz + $6::interval
          and s.psp = $1 and s.livemode = $2 and s.status <> 'ended'
          and (s.checked_at is null or s.checked_at < g.until_at - $6::interval
               or (g.until_at <= $3::timestamptz
                   and (s.checked_at < g.until_at
                        or s.checked_at <= $3::timestamptz - $7::interval)))
        group by s.psp_sub_id order by min(g.until_at) limit $4
        """,
        account.psp,
        account.livemode,
        now,
        limit,
        _BEHIND,
        _AHEAD,
        _AGAIN,
    )
    return [Due(ObjectRef(ObjectKind.SUBSCRIPTION, row["id"]), "expiring") for row in rows]


async def list_lapsed(
    connection: Connection, account: Account, client_id: str, now: datetime, limit: int
) -> list[str]:
    """Return the client's subscriptions that have stopped opening doors and have not ended."""
    rows = await connection.fetch(
        """
        select s.psp_sub_id as id
        from subscriptions s
        join subscription_items i on i.subscription_id = s.id
        join grants g on g.source = 'item' and g.source_id = i.psp_item_id
        where s.client_id = $3::text::uuid and s.psp = $1 and s.livemode = $2
          and s.status <> 'ended' and g.revoked_at is null and g.until_at <= $4
        group by s.psp_sub_id order by max(g.until_at) desc limit $5
        """,
        account.psp,
        account.livemode,
        client_id,
        now,
        limit,
    )
    return [row["id"] for row in rows]


async def list_old_checkouts(
    connection: Connection, account: Account, now: datetime, limit: int
) -> list[Due]:
    """Return checkouts that are open in our rows for longer than one lives."""
    rows = await connection.fetch(
        "select psp_session_id as id from checkout_intents where psp = $1 and livemode = $2"
        " and state = 'open' and psp_session_id is not null and created_at <= $3"
        " and (checked_at is null or checked_at <= $4) order by created_at limit $5",
        account.psp,
        account.livemode,
        now - _SESSION,
        now - _AGAIN,
        limit,
    )
    return [Due(ObjectRef(ObjectKind.CHECKOUT, row["id"]), "checkout") for row in rows]


async def list_share(
    connection: Connection, account: Account, kind: ObjectKind, now: datetime, part: float
) -> list[Due]:
    """Return `part` of all objects of the kind, rounded up: those not read for longest."""
    share = _SHARES[kind]
    rows = await connection.fetch(
        f"""
        select {share.id} as id from {share.table}
        where psp = $1 and livemode = $2 and {share.condition}
        order by checked_at nulls first
        limit (select ceil(count(*) * $4::float8)::bigint from {share.table}
               where psp = $1 and livemode = $2 and {share.condition})
        """,  # noqa: S608 - our own table above
        account.psp,
        account.livemode,
        now,
        part,
    )
    return [Due(ObjectRef(kind, row["id"]), "share") for row in rows]


async def list_all(
    connection: Connection,
    account: Account,
    kind: ObjectKind,
    now: datetime,
    *,
    client_id: str | None,
    after: str,
    limit: int,
) -> list[str]:
    """Return the ids of all objects of the kind that may still change, behind `after`."""
    share = _SHARES[kind]
    rows = await connection.fetch(
        f"select {share.id} as id from {share.table}"  # noqa: S608 - our own table above
        f" where psp = $1 and livemode = $2 and {share.condition} and {share.id} > $4"
        " and ($5::text is null or client_id = $5::text::uuid)"
        f" order by {share.id} limit $6",
        account.psp,
        account.livemode,
        now,
        after,
        client_id,
        limit,
    )
    return [row["id"] for row in rows]


async def count_all(
    connection: Connection, account: Account, now: datetime, *, client_id: str | None
) -> int:
    """Return how many objects `list_all` lists, of all kinds."""
    counts = [
        await connection.fetchval(
            f"select count(*) from {share.table}"  # noqa: S608 - our own table above
            f" where psp = $1 and livemode = $2 and {share.condition}"
            " and ($4::text is null or client_id = $4::text::uuid)",
            account.psp,
            account.livemode,
            now,
            client_id,
        )
        for share in _SHARES.values()
    ]
    return sum(counts)


async def mark_checked(
    connection: Connection, account: Account, ref: ObjectRef, now: datetime
) -> None:
    """Note that the object was read, whatever came of it."""
    table, column = _CHECKED[ref.kind]
    await connection.execute(
        f"update {table} set checked_at = $4"  # noqa: S608 - our own table above
        f" where psp = $1 and livemode = $2 and {column} = $3",
        account.psp,
        account.livemode,
        ref.id,
        now,
    )


async def list_unknown(
    connection: Connection, account: Account, kind: ObjectKind, ids: tuple[str, ...]
) -> list[ObjectRef]:
    """Return those of the objects of a kind that we have no row of."""
    table, column = _CHECKED[kind]
    rows = await connection.fetch(
        "select id from unnest($3::text[]) with ordinality as asked(id, place)"  # noqa: S608 - names of ours
        f" where not exists (select 1 from {table} t where t.psp = $1 and t.livemode = $2"
        f" and t.{column} = asked.id) order by place",
        account.psp,
        account.livemode,
        list(ids),
    )
    return [ObjectRef(kind, row["id"]) for row in rows]
