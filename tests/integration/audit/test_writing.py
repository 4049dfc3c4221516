"""Rows of the audit are written whole, in order and by nobody else's leave."""

import asyncio
import json
import uuid

import asyncpg
import pytest
from structlog.testing import capture_logs

from billing.audit.epoch import seal_older
from billing.audit.heads import heads_of_text
from billing.audit.verifier import Wrong
from billing.audit.verify import log_heads, read_heads, verify
from billing.crypto.keyring import KeyRing
from billing.errors import UnavailableError
from billing.storage.audit import list_audit, write_audit
from billing.storage.migrate import list_migrations, migrate
from billing.storage.pool import Connection, Database
from tests.integration.audit.conftest import CAUSE, client_of, write_rows
from tests.support.keys import DATA_KEY, OTHER_KEY, RING


async def test_a_row_tells_what_led_to_it_and_nothing_personal(database: Database) -> None:
    async with database.transaction() as connection:
        await write_audit(
            connection, "client.changed", client_of(1), CAUSE, after={"email": "ann@example.com"}
        )

    async with database.connection() as connection:
        (row,) = await list_audit(connection, client_id=client_of(1), limit=10)
    assert (row.actor, row.action, row.cause_request_id) == ("webhook", "client.changed", "r-1")
    assert row.after == {"email": "…"}


async def test_many_writers_at_once_keep_the_chains_whole(
    database: Database, database_url: str
) -> None:
    other = await Database.open(database_url, size=8, ring=RING)
    try:
        async with asyncio.TaskGroup() as tasks:
            for number in range(24):
                tasks.create_task(write_rows((database, other)[number % 2], number % 3, 10))
        verdict = await verify(database, {})
    finally:
        await other.close()

    assert verdict.faults == ()
    assert verdict.rows == 240


async def _write_and(database: Database, statement: str) -> None:
    async with database.transaction() as connection:
        await write_audit(connection, "grant.given", client_of(2), CAUSE)
        await connection.execute(statement)


async def test_a_transaction_that_fails_leaves_no_gap(database: Database) -> None:
    await write_rows(database, 2, 1)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await _write_and(database, "select 1 / 0")
    await write_rows(database, 2, 1)

    verdict = await verify(database, {})

    assert verdict.faults == ()
    assert verdict.rows == 2


async def test_a_writer_killed_before_its_end_leaves_no_gap(database: Database) -> None:
    await write_rows(database, 2, 1)

    with pytest.raises(UnavailableError):
        await _write_and(database, "select pg_terminate_backend(pg_backend_pid())")
    await write_rows(database, 2, 1)

    assert (await verify(database, {})).faults == ()


async def test_rows_under_an_older_and_a_newer_key_are_one_chain(
    database: Database, database_url: str
) -> None:
    await write_rows(database, 2, 2)
    rotated = await Database.open(database_url, size=2, ring=KeyRing.of([OTHER_KEY, DATA_KEY]))
    try:
        await write_rows(rotated, 2, 2)
        verdict = await verify(rotated, {})
    finally:
        await rotated.close()

    assert verdict.faults == ()


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set actor = 'other'",
        "delete from audit",
        "truncate audit",
        "update audit_heads set position = 0 where chain = 2",
        "update audit_heads set position = position + 1 where chain = 2",
        "update audit_heads set hash = sha256('x') where chain = 2",
        "delete from audit_heads",
        "insert into audit_heads values (17, 0, '')",
        "truncate audit_heads",
    ],
)
async def test_the_gateways_own_connection_cannot_change_what_was_written(
    database: Database, statement: str
) -> None:
    await write_rows(database, 2, 2)

    with pytest.raises(asyncpg.RaiseError):
        async with database.connection() as connection:
            await connection.execute(statement)


@pytest.mark.parametrize("statement", ["update audit set actor = ''", "delete from audit"])
async def test_the_tables_owner_lacks_the_right_to_change_it_even_without_the_trigger(
    database: Database, tamperer: Connection, statement: str
) -> None:
    owner = f"owner_{uuid.uuid4().hex}"
    await tamperer.execute(f"create role {owner}")
    try:
        await tamperer.execute(f"alter table audit owner to {owner}")
        await tamperer.execute(f"set role {owner}")

        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tamperer.execute(statement)
    finally:
        await tamperer.execute("reset role")
        await tamperer.execute("alter table audit owner to current_user")
        await tamperer.execute(f"drop role {owner}")


async def test_a_row_without_a_chain_is_refused(database: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with database.connection() as connection:
            await connection.execute(
                "insert into audit (at, actor, action) values (now(), 'a', 'b')"
            )


async def _older(bare_database_url: str) -> Database:
    """Return a database of a version before there were chains, with three rows, brought up."""
    database = await Database.open(bare_database_url, size=4, ring=RING)
    older = [one for one in list_migrations() if one.name < "0003"]
    await migrate(database, older)
    async with database.connection() as connection:
        await connection.execute(
            "insert into audit (actor, action) select 'webhook', 'x' from generate_series(1, 3)"
        )
    await migrate(database)
    return database


async def test_rows_of_an_older_version_are_sealed_once_and_checked(bare_database_url: str) -> None:
    database = await _older(bare_database_url)
    try:
        unsealed = await verify(database, {})
        await asyncio.gather(seal_older(database), seal_older(database))
        sealed = await verify(database, {})
        heads = await read_heads(database)
    finally:
        await database.close()

    assert [fault.wrong for fault in unsealed.faults] == [Wrong.EPOCH]
    assert sealed.faults == ()
    assert sealed.rows == 4
    assert heads[0].position == 1


@pytest.mark.parametrize(
    "tampering",
    [
        "update audit set actor = 'other' where seq = 2",
        "delete from audit where seq = 3",
        "delete from audit where chain is null",
    ],
)
async def test_a_changed_row_of_an_older_version_is_found(
    bare_database_url: str, tampering: str
) -> None:
    database = await _older(bare_database_url)
    try:
        await seal_older(database)
        async with database.connection() as connection:
            await connection.execute("alter table audit drop constraint audit_is_chained")
            await connection.execute("set session_replication_role = replica")
            await connection.execute(tampering)
            await connection.execute("reset session_replication_role")
        verdict = await verify(database, {})
    finally:
        await database.close()

    assert [fault.wrong for fault in verdict.faults] == [Wrong.EPOCH]


async def test_heads_are_logged_for_whoever_keeps_logs_elsewhere(database: Database) -> None:
    await write_rows(database, 2, 3)
    heads = await read_heads(database)

    with capture_logs() as logs:
        await log_heads(database)

    (line,) = logs
    assert line["event"] == "audit_heads"
    # As `audit verify --from-head` takes them.
    assert heads_of_text(json.dumps(line["heads"])) == {head.chain: head for head in heads}
    assert len(line["heads"]) == 17
