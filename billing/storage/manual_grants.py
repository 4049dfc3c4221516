"""Grants that operators give by hand: ended, never deleted."""

from datetime import datetime

import asyncpg

from billing.model import FeatureValue
from billing.storage.ids import parse_id
from billing.storage.pool import Connection
from billing.views import ManualGrantView

_COLUMNS = (
    "id::text, client_id::text, app_id, feature, value, from_at, until_at,"
    " revoked_at as ended_at, reason, actor"
)


async def insert_grant(
    connection: Connection,
    client_id: str,
    app_id: str,
    feature: str,
    value: FeatureValue,
    *,
    from_at: datetime,
    until_at: datetime | None,
    reason: str,
    actor: str,
    key: str | None,
) -> ManualGrantView | None:
    """Write a grant by hand; each is one of its own, whatever else the client has.

    None if the feature was given under the key before.
    """
    row = await connection.fetchrow(
        f"""
        insert into grants (client_id, app_id, feature, value, source, source_id, from_at,
                            until_at, reason, actor)
        values ($1::text::uuid, $2, $3, $4, 'manual', coalesce($9, gen_random_uuid()::text), $5, $6,
                $7, $8)
        on conflict (source, source_id, app_id, feature) do nothing
        returning {_COLUMNS}
        """,  # noqa: S608 - the only text put in is our own column list
        client_id,
        app_id,
        feature,
        value,
        from_at,
        until_at,
        reason,
        actor,
        key,
    )
    return _grant(row) if row else None


async def find_given(
    connection: Connection, key: str, app_id: str, feature: str
) -> ManualGrantView | None:
    """Return the grant of the feature that was given under the key."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from grants where source = 'manual' and source_id = $1"  # noqa: S608 - our own
        " and app_id = $2 and feature = $3",
        key,
        app_id,
        feature,
    )
    return _grant(row) if row else None


async def end_grant(connection: Connection, grant_id: str, now: datetime) -> ManualGrantView | None:
    """End the grant, and return it; None if it is none by hand, or over already."""
    row = await connection.fetchrow(
        f"""
        update grants set revoked_at = $2
        where id = $1 and source = 'manual' and revoked_at is null
          and (until_at is null or until_at > $2)
        returning {_COLUMNS}
        """,  # noqa: S608 - our own column list
        parse_id(grant_id),
        now,
    )
    return _grant(row) if row else None


async def find_grant(connection: Connection, grant_id: str) -> ManualGrantView | None:
    """Return the grant by hand; None too if `grant_id` is no id at all."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from grants where id = $1 and source = 'manual'",  # noqa: S608 - our own
        parse_id(grant_id),
    )
    return _grant(row) if row else None


async def list_grants(connection: Connection, client_id: str) -> tuple[ManualGrantView, ...]:
    """Return the client's grants by hand, the newest first."""
    rows = await connection.fetch(
        f"select {_COLUMNS} from grants"  # noqa: S608 - our own column list
        " where client_id = $1 and source = 'manual' order by from_at desc, id",
        parse_id(client_id),
    )
    return tuple(_grant(row) for row in rows)


def _grant(row: asyncpg.Record) -> ManualGrantView:
    return ManualGrantView(**dict(row))
