"""Where the audit's chains end is in the log of whoever serves, out of the database's reach."""

import json
from pathlib import Path

from billing.audit.heads import heads_of_text
from billing.audit.verify import verify
from billing.model import Cause, Source
from billing.storage.client_records import create_client
from billing.storage.pool import Database
from tests.support.serving import environment_of, serve, write_config


async def test_heads_in_the_log_tell_that_rows_were_removed_with_their_heads(
    tmp_path: Path, run: Path, database: Database, database_url: str
) -> None:
    async with database.transaction() as connection:
        await create_client(connection, "idp:ann", Cause(Source.ADMIN, "operator:test"))
    file = write_config(tmp_path / "my.yaml", "http://127.0.0.1:1")

    async with serve(file, environment_of(database_url, run)) as served:
        line = await served.until_told("audit_heads")
    async with database.connection() as connection:
        await connection.execute("set session_replication_role = replica")
        await connection.execute("delete from audit; update audit_heads set position = 0")
        await connection.execute("reset session_replication_role")
    kept = heads_of_text(json.dumps(line["heads"]))
    verdict = await verify(database, kept)

    assert max(head.position for head in kept.values()) == 1
    assert verdict.faults
