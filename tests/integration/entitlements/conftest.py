"""A client in a real database, and Valkey."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from billing.derive import GrantFact
from billing.storage.clients import get_or_create_client
from billing.storage.grants import bump_version, save_grants
from billing.storage.pool import Database
from tests.support.clock import FakeClock
from tests.support.servers import Servers


@dataclass
class Writer:
    """Changes what a client holds, as billing does: grants, version and notice in one commit."""

    database: Database
    clock: FakeClock
    client_id: str

    async def grant(self, app_id: str) -> int:
        """Grant `access` to the app for a day; return the version."""
        now = self.clock()
        fact = GrantFact(
            app_id=app_id,
            feature="access",
            value=True,
            source="item",
            source_id=f"si_{app_id}",
            plan="reader",
            version=1,
            status="active",
            from_at=now,
            until_at=now + timedelta(days=1),
        )
        async with self.database.transaction() as connection:
            await save_grants(connection, self.client_id, [fact], "test")
            return await bump_version(connection, self.client_id)


@pytest.fixture
async def writer(database: Database, clock: FakeClock) -> Writer:
    async with database.connection() as connection:
        client_id = await get_or_create_client(connection, f"demo:{uuid.uuid4()}")
    return Writer(database, clock, client_id)


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    opened: Redis = Redis.from_url(servers.valkey, socket_timeout=2, socket_connect_timeout=2)
    yield opened
    await opened.aclose()
