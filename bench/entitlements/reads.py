"""How often Postgres was asked for a snapshot, as it counts itself."""

from billing.storage.pool import Database

_READS = """
    select coalesce(idx_scan, 0) + coalesce(seq_scan, 0) from pg_stat_user_tables
    where relname = 'entitlement_versions'
"""


async def count_reads(database: Database) -> int:
    """Return how often, over the only connection that the pool has: others tell theirs late."""
    async with database.connection() as connection:
        await connection.execute("select pg_stat_force_next_flush()")
        return int(await connection.fetchval(_READS))
