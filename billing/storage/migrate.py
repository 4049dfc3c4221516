"""Numbered SQL files, each applied once in a transaction of its own."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from billing.errors import BillingError
from billing.storage.pool import Connection, Database

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x746F6C6C  # 'toll'
_LOCK_POLL_S = 0.05


class MigrationError(BillingError):
    """A migration failed, or an applied one was edited; the message names file and cause."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file; `digest` is the SHA-256 of its text."""

    name: str
    sql: str
    digest: str


def list_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Return the migrations of the folder in the order in which they apply."""
    return [
        Migration(path.name, sql := path.read_text(), hashlib.sha256(sql.encode()).hexdigest())
        for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    ]


async def applied_migrations(database: Database) -> frozenset[str]:
    """Return the names of the migrations that the database has."""
    async with database.connection() as connection:
        if await connection.fetchval("select to_regclass('schema_migrations')") is None:
            return frozenset()
        rows = await connection.fetch("select name from schema_migrations")
    return frozenset(row["name"] for row in rows)


async def migrate(database: Database, migrations: list[Migration] | None = None) -> list[str]:
    """Apply what is missing and return its names; safe to run from several processes at once.

    Raises:
        MigrationError: a file failed, was edited after it was applied, or the database
            is ahead of this program.
    """
    wanted = list_migrations() if migrations is None else migrations
    async with database.connection() as connection:
        # Polled, not waited for: a waiting session holds a snapshot, and an index built
        # concurrently by the lock's holder would wait for that snapshot (deadlock 40P01).
        while not await connection.fetchval(  # noqa: ASYNC110 - another process holds it
            "select pg_try_advisory_lock($1)", _LOCK
        ):
            await asyncio.sleep(_LOCK_POLL_S)
        try:
            return await _apply_missing(connection, wanted)
        finally:
            await connection.execute("select pg_advisory_unlock($1)", _LOCK)


async def _apply_missing(connection: Connection, wanted: list[Migration]) -> list[str]:
    await connection.execute(
        "create table if not exists schema_migrations ("
        " name text primary key, digest text not null, applied_at timestamptz default now())"
    )
    rows = await connection.fetch("select name, digest from schema_migrations")
    applied = {row["name"]: row["digest"] for row in rows}
    unknown = applied.keys() - {m.name for m in wanted}
    if unknown:
        raise MigrationError(
            f"the database has {max(unknown)}, which this version of Tollway does not "
            "know: start the newer version, or point database.url at another database"
        )
    done = []
    for migration in wanted:
        if migration.name not in applied:
            await _apply_one(connection, migration)
            done.append(migration.name)
        elif applied[migration.name] != migration.digest:
            raise MigrationError(f"{migration.name} was edited after it had been applied")
    return done


async def _apply_one(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "insert into schema_migrations (name, digest) values ($1, $2)",
                migration.name,
                migration.digest,
            )
    except asyncpg.PostgresError as error:
        position = int(getattr(error, "position", None) or 1)
        line = migration.sql[:position].count("\n") + 1
        raise MigrationError(f"{migration.name}:{line}: {error.sqlstate}: {error}") from error
