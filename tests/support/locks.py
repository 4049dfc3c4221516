"""Who waits for whom in Postgres."""

import asyncio

from billing.storage.pool import Connection


async def until_somebody_waits(connection: Connection) -> None:
    """Return once a session waits for a lock of another."""
    async with asyncio.timeout(20):
        while not await connection.fetchval("select count(*) from pg_locks where not granted"):
            pass
