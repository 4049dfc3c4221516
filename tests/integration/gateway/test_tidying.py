"""Whoever serves deletes what has had its time; trouble with one thing keeps no other undone."""

from pathlib import Path

import asyncpg

from billing.storage.pool import Database
from tests.support.serving import environment_of, serve, write_config


async def test_a_table_in_trouble_keeps_nothing_else_from_being_tidied(
    tmp_path: Path, run: Path, database: Database, database_url: str
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "insert into idempotent_requests (caller, key, fingerprint, claimed_at)"
            " values ('api:a', 'k', '', now() - interval '2 days')"
        )
    # The table after it in the run; nothing at the start asks for it.
    owner = await asyncpg.connect(database_url)
    await owner.execute("alter table drift rename to gone")
    await owner.close()
    file = write_config(tmp_path / "my.yaml", "http://127.0.0.1:1")

    async with serve(file, environment_of(database_url, run)) as served:
        trouble = await served.until_told("tidying_failed")
        await served.until_told("audit_heads")

    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from idempotent_requests") == 0
    assert trouble["what"] == "prune"
