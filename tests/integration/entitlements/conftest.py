"""A client in a real database, and Valkey."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from billing.derive import GrantFact
from billing.entitlements.memory import MemoryStore
from billing.entitlements.reader import EntitlementReader
from billing.entitlements.redis_store import RedisClient, RedisStore
from billing.entitlements.signing import Signer
from billing.entitlements.trust import Trust
from billing.storage.clients import get_or_create_client
from billing.storage.grants import bump_version, save_grants
from billing.storage.pool import Database
from policies.model import Snapshot, Unknown
from tests.support.clock import FakeClock, Seconds
from tests.support.servers import Servers

SIGNER = Signer(b"k" * 32)


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


@dataclass
class Process:
    """The cache ladder of one process; it hears of nothing but what a test tells it."""

    reader: EntitlementReader
    shared: RedisStore
    monotonic: Seconds

    async def read(self, client_id: str) -> Snapshot | Unknown:
        """Read what the client holds, and wait until Redis has it."""
        facts = await self.reader.read(client_id)
        await self.reader.settled()
        return facts

    async def hear(self, client_id: str, version: int) -> None:
        """Hear a notice of Postgres, and wait until Redis has been told."""
        self.reader.outdate(client_id, version)
        await self.reader.settled()

    async def find_shared(self, client_id: str) -> Snapshot | None:
        """Return what Redis holds of the client."""
        found = await self.shared.find(client_id)
        return found.snapshot if found else None


def make_process(
    database: Database, clock: FakeClock, redis: RedisClient, *, clients: int = 100
) -> Process:
    """Return the ladder of a process that hears every notice from now on."""
    trust, monotonic = Trust(), Seconds()
    shared = RedisStore(redis, trust, SIGNER, ttl_s=60, timeout_s=2, monotonic=monotonic)
    memory = MemoryStore(clients, 60.0, monotonic)
    reader = EntitlementReader(memory, shared, database, clock, 5.0, trust=trust)
    reader.hears(None)
    return Process(reader, shared, monotonic)


async def trusting(process: Process) -> Process:
    """Return the process after it has read somebody from Postgres: now it believes Redis."""
    await process.reader.read_truth(str(uuid.uuid4()))
    return process


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
