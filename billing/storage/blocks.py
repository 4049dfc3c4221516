"""Bars over a client's grants: ended, never deleted."""

from datetime import datetime

import asyncpg

from billing.storage.ids import parse_id
from billing.storage.pool import Connection
from billing.views import BlockService, BlockView

_COLUMNS = "id::text, client_id::text, app_id, service, from_at, until_at, reason, actor"


async def insert_block(
    connection: Connection,
    client_id: str,
    app_id: str | None,
    service: BlockService,
    *,
    from_at: datetime,
    until_at: datetime | None,
    reason: str,
    actor: str,
    key: str | None,
) -> BlockView | None:
    """Write a bar; None if one was laid under the key before."""
    row = await connection.fetchrow(
        f"""
        insert into blocks (client_id, app_id, service, from_at, until_at, reason, actor, key)
        values ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8)
        on conflict (key) do nothing
        returning {_COLUMNS}
        """,  # noqa: S608 - the only text put in is our own column list
        client_id,
        app_id,
        service.value,
        from_at,
        until_at,
        reason,
        actor,
        key,
    )
    return _block(row) if row else None


async def find_laid(connection: Connection, key: str) -> BlockView | None:
    """Return the bar that was laid under the key."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from blocks where key = $1",  # noqa: S608 - our own column list
        key,
    )
    return _block(row) if row else None


async def end_block(connection: Connection, block_id: str, now: datetime) -> BlockView | None:
    """End the bar, and return it; None if there is none, or it is over already.

    One that was still to come never holds.
    """
    row = await connection.fetchrow(
        f"""
        update blocks set until_at = greatest(from_at, $2)
        where id = $1 and (until_at is null or until_at > greatest(from_at, $2))
        returning {_COLUMNS}
        """,  # noqa: S608 - our own column list
        parse_id(block_id),
        now,
    )
    return _block(row) if row else None


async def find_block(connection: Connection, block_id: str) -> BlockView | None:
    """Return the bar; None too if `block_id` is no id at all."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from blocks where id = $1",  # noqa: S608 - our own column list
        parse_id(block_id),
    )
    return _block(row) if row else None


async def list_blocks(connection: Connection, client_id: str) -> tuple[BlockView, ...]:
    """Return the client's bars, the newest first."""
    rows = await connection.fetch(
        f"select {_COLUMNS} from blocks"  # noqa: S608 - our own column list
        " where client_id = $1 order by from_at desc, id",
        parse_id(client_id),
    )
    return tuple(_block(row) for row in rows)


def _block(row: asyncpg.Record) -> BlockView:
    fields = dict(row)
    return BlockView(**fields | {"service": BlockService(fields["service"])})
