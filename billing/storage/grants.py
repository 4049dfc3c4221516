"""Grants, the version of a client's facts, and the notice of a change."""

from datetime import datetime

import asyncpg

from billing.storage.pool import Connection
from billing.transitions import GrantFact

CHANNEL = "tollway_entitlement"
"""Payload: `client_id:version`, sent by the transaction that wrote that version."""


async def save_grants(
    connection: Connection, client_id: str, facts: list[GrantFact], actor: str
) -> bool:
    """Write grants by what gave them (item or order) and feature; tell whether any changed."""
    changed = [await _save_grant(connection, client_id, fact, actor) for fact in facts]
    return any(changed)


async def _save_grant(connection: Connection, client_id: str, fact: GrantFact, actor: str) -> bool:
    status = await connection.execute(
        """
        insert into grants as g (client_id, app_id, feature, value, source, source_id, plan,
                                 version, status, from_at, until_at, actor)
        values ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        on conflict (source, source_id, app_id, feature) do update set
            value = excluded.value, plan = excluded.plan, version = excluded.version,
            status = excluded.status, from_at = least(g.from_at, excluded.from_at),
            until_at = excluded.until_at, revoked_at = null
        where (g.value, g.plan, g.version, g.status, g.until_at, g.revoked_at)
            is distinct from (excluded.value, excluded.plan, excluded.version, excluded.status,
                              excluded.until_at, null::timestamptz)
        """,
        client_id,
        fact.app_id,
        fact.feature,
        fact.value,
        fact.source,
        fact.source_id,
        fact.plan,
        fact.version,
        fact.status,
        fact.from_at,
        fact.until_at,
        actor,
    )
    return status != "INSERT 0 0"


async def revoke_item_grants(
    connection: Connection,
    subscription_id: str,
    kept: list[GrantFact],
    kept_items: list[str],
    now: datetime,
) -> bool:
    """End the grants of items that left the subscription, or whose plan changed; tell if any did.

    `kept_items` are items with a price that no plan of ours has: what they gave before
    stays, since not knowing a price is no reason to shut a door.
    """
    status = await connection.execute(
        """
        update grants g set revoked_at = $4, reason = 'item changed'
        where g.source = 'item' and g.revoked_at is null
          and g.source_id in (select psp_item_id from subscription_items
                              where subscription_id = $1::text::uuid)
          and not g.source_id = any($2::text[])
          and not (g.source_id || '/' || g.app_id || '/' || g.feature) = any($3::text[])
        """,
        subscription_id,
        kept_items,
        [f"{fact.source_id}/{fact.app_id}/{fact.feature}" for fact in kept],
        now,
    )
    return status != "UPDATE 0"


async def bump_version(connection: Connection, client_id: str) -> int:
    """Raise the version of the client's facts and tell every listener at commit.

    Call it last in the transaction: the row lock that it takes orders the commits of
    one client, so that a higher version never becomes visible before a lower one.
    """
    version = int(
        await connection.fetchval(
            "insert into entitlement_versions (client_id, version) values ($1::text::uuid, 1)"
            " on conflict (client_id) do update set version = entitlement_versions.version + 1"
            " returning version",
            client_id,
        )
    )
    await connection.execute("select pg_notify($1, $2)", CHANNEL, f"{client_id}:{version}")
    return version


async def read_snapshot_row(connection: Connection, client_id: str) -> asyncpg.Record:
    """Return version, grants and blocks in one statement, so that they belong together."""
    row = await connection.fetchrow(
        """
        select
            coalesce((select version from entitlement_versions where client_id = c.id), 0)
                as version,
            (select jsonb_agg(jsonb_build_array(
                        g.app_id, g.feature, g.value, extract(epoch from g.from_at)::float8,
                        extract(epoch from least(g.until_at, g.revoked_at))::float8,
                        g.plan, g.status) order by g.app_id, g.feature, g.id)
             from grants g where g.client_id = c.id) as grants,
            (select jsonb_agg(jsonb_build_array(
                        b.app_id, b.service, b.reason, extract(epoch from b.from_at)::float8,
                        extract(epoch from b.until_at)::float8) order by b.id)
             from blocks b where b.client_id = c.id) as blocks
        from (select $1::text::uuid as id) c
        """,
        client_id,
    )
    if row is None:
        raise AssertionError("a select without a from-table always gives one row")
    return row


async def holds_order(connection: Connection, client_id: str, plan_id: str) -> bool:
    """Tell whether the client bought the plan once and for ever."""
    return bool(
        await connection.fetchval(
            "select exists (select 1 from grants where client_id = $1::text::uuid and plan = $2"
            " and source = 'order' and until_at is null and revoked_at is null)",
            client_id,
            plan_id,
        )
    )
