"""The audit as a deployment has it: tables of an ordinary role, which the gateway connects as."""

import uuid
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
import pytest

from billing.audit.verify import verify
from billing.storage.migrate import migrate
from billing.storage.pool import Database
from tests.integration.audit.conftest import write_rows
from tests.support.keys import RING


def url_as(url: str, role: str) -> str:
    """Return the URL for another role."""
    parts = urlsplit(url)
    query = urlencode(dict(parse_qsl(parts.query)) | {"user": role})
    return f"postgresql://{parts.path}?{query}"


@pytest.fixture
async def owned(bare_database_url: str) -> AsyncIterator[Database]:
    """Return a database that an ordinary role owns, and has migrated itself."""
    role = f"gateway_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(bare_database_url)
    name = await admin.fetchval("select current_database()")
    await admin.execute(f'create role {role} login; alter database "{name}" owner to {role}')
    try:
        opened = await Database.open(url_as(bare_database_url, role), size=4, ring=RING)
        await migrate(opened)
        yield opened
        await opened.close()
    finally:
        await admin.execute(f"reassign owned by {role} to current_user; drop role {role}")
        await admin.close()


async def test_what_the_gateway_writes_as_an_ordinary_role_is_whole(owned: Database) -> None:
    async with owned.connection() as connection:
        is_super = await connection.fetchval(
            "select rolsuper from pg_roles where rolname = current_user"
        )

    await write_rows(owned, 2, 3)

    assert is_super is False
    assert (await verify(owned, {})).faults == ()


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set actor = 'other'",
        "delete from audit",
        "truncate audit",
        "delete from audit_heads",
        "truncate audit_heads",
        "insert into audit_heads values (17, 0, '')",
        "set session_replication_role = replica",
    ],
)
async def test_an_ordinary_role_lacks_the_right_itself_before_any_trigger(
    owned: Database, statement: str
) -> None:
    await write_rows(owned, 2, 1)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with owned.connection() as connection:
            await connection.execute(statement)
