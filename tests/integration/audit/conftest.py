"""Rows of an audit, and somebody who may change them."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from billing.audit.chain import chain_of
from billing.model import Cause, Source
from billing.storage.audit import write_audit
from billing.storage.pool import Connection, Database

CAUSE = Cause(Source.WEBHOOK, "webhook", request_id="r-1")


def client_of(chain: int) -> str:
    """Return the id of a client whose rows are in the chain."""
    client_id = str(uuid.UUID(int=(0x4 << 76) + (0x8 << 60) + chain - 1))
    assert chain_of(client_id) == chain
    return client_id


async def write_rows(database: Database, chain: int, rows: int) -> None:
    """Write so many rows to the chain, each in a transaction of its own."""
    client_id = client_of(chain) if chain else None
    for number in range(rows):
        async with database.transaction() as connection:
            await write_audit(
                connection,
                "grant.given",
                client_id,
                CAUSE,
                before={"number": number},
                after={"number": number + 1, "big": 10**25, "small": 1e-9, "word": "ü\n"},
            )


@pytest.fixture
async def tamperer(database_url: str, database: Database) -> AsyncIterator[Connection]:
    """Lend a superuser's connection that no trigger hinders."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("set session_replication_role = replica")
    yield connection
    await connection.close()
