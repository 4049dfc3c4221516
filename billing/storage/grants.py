"""Grants, the version of a client's facts, and the notice of a change."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from billing.derive import GrantFact
from billing.grant_changes import HeldGrant
from billing.storage.pool import Connection

CHANNEL = "tollway_entitlement"
"""Payload: `client_id:version`, sent by the transaction that wrote that version."""


async def save_grants(
    connection: Connection, client_id: str, facts: Sequence[GrantFact], actor: str
) -> None:
    """Write grants by what gave them (item or order) and feature; what had ended lives again."""
    await connection.executemany(
        """
        insert into grants as g (client_id, app_id, feature, value, source, source_id, plan,
                                 version, quantity, status, from_at, until_at, actor)
        values ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        on conflict (source, source_id, app_id, feature) do update set
            value = excluded.value, plan = excluded.plan, version = excluded.version,
            quantity = excluded.quantity, status = excluded.status,
            from_at = least(g.from_at, excluded.from_at), until_at = excluded.until_at,
            revoked_at = null, reason = ''
        """,
        [
            (
                client_id,
                fact.app_id,
                fact.feature,
                fact.value,
                fact.source,
                fact.source_id,
                fact.plan,
                fact.version,
                fact.quantity,
                fact.status,
                fact.from_at,
                fact.until_at,
                actor,
            )
            for fact in facts
        ],
    )


async def list_derived(connection: Connection, client_id: str) -> list[HeldGrant]:
    """Return the client's grants that came of a provider's facts, ended ones too."""
    rows = await connection.fetch(
        """
        select id::text, revoked_at, app_id, feature, value, source, source_id, plan, version,
               status, from_at, until_at, quantity
        from grants where client_id = $1::text::uuid and source in ('item', 'order')
        """,
        client_id,
    )
    return [HeldGrant(row[0], row[1], GrantFact(*row[2:])) for row in map(tuple, rows)]


async def revoke_grants(connection: Connection, grant_ids: Sequence[str], now: datetime) -> None:
    """End the grants: what gave them is gone, or gives something else."""
    await connection.execute(
        "update grants set revoked_at = $2, reason = 'nothing gives it any more'"
        " where id = any($1::text[]::uuid[])",
        list(grant_ids),
        now,
    )


async def bump_version(connection: Connection, client_id: str) -> int:
    """Raise the version of the client's facts and tell every listener at commit.

    Call it after all else but the audit: the row lock that it takes orders the commits of
    one client, so that a higher version never becomes visible before a lower one.
    """
    version = int(
        await connection.fetchval(
            "insert into entitlement_versions (client_id, version, changed_in)"
            " values ($1::text::uuid, 1, pg_current_xact_id())"
            " on conflict (client_id) do update"
            " set version = entitlement_versions.version + 1, changed_in = excluded.changed_in"
            " returning version",
            client_id,
        )
    )
    await connection.execute("select pg_notify($1, $2)", CHANNEL, f"{client_id}:{version}")
    return version


async def read_snapshot_row(connection: Connection, client_id: str) -> asyncpg.Record:
    """Return version, grants and blocks in one statement, so that they belong together.

    The row is as of Postgres' own order of transactions: it has all that were numbered below
    `as_of`, and none that was given `next_number` or a higher one.
    """
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
             from blocks b where b.client_id = c.id) as blocks,
            pg_snapshot_xmin(pg_current_snapshot())::text::bigint as as_of,
            pg_snapshot_xmax(pg_current_snapshot())::text::bigint as next_number
        from (select $1::text::uuid as id) c
        """,
        client_id,
    )
    if row is None:
        raise AssertionError("a select without a from-table always gives one row")
    return row
