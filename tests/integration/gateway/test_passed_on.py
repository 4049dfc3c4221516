"""Who has lost Postgres' notices hears of changes from the others, through Redis."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from billing.entitlements.redis_store import CHANNEL
from billing.storage.clients import get_or_create_client
from billing.storage.grants import bump_version
from gateway.config.load import load_config
from gateway.stores import Stores, open_stores
from gateway.wiring.notices import listener_of
from tests.support.ports import refusing_port
from tests.support.servers import Servers
from tests.support.serving import environment_of, write_config
from tests.support.valkeys import until

HOST = "checkout.localhost"


class Two:
    """Two processes' stores; `deaf` hears nothing of Postgres, though it can read there."""

    def __init__(self, hearing: Stores, deaf: Stores) -> None:
        self.hearing = hearing
        self.deaf = deaf


@pytest.fixture
async def two(database_url: str, servers: Servers, tmp_path: Path) -> AsyncIterator[Two]:
    file = write_config(tmp_path / "config.yaml", "http://127.0.0.1:9")
    file.write_text(file.read_text() + 'redis: {url: "${REDIS_URL}"}\n')
    environment = environment_of(database_url, tmp_path) | {"REDIS_URL": servers.valkey}
    config = load_config(file, environment)
    async with AsyncExitStack() as stack:
        port = stack.enter_context(refusing_port())
        nowhere = environment | {"DATABASE_URL": f"postgresql://127.0.0.1:{port}/none"}
        stores = [await open_stores(config, lambda: datetime.now(UTC), stack) for _ in range(2)]
        listeners = [
            listener_of(config, stores[0], None),
            listener_of(load_config(file, nowhere), stores[1], None),
        ]
        redis: Redis = Redis.from_url(servers.valkey)
        stack.push_async_callback(redis.aclose)
        before = await _subscribers(redis)
        tasks = [asyncio.create_task(listener.run()) for listener in listeners]

        async def both_hear() -> bool:
            return await _subscribers(redis) == before + 2 and listeners[0].connected.is_set()

        await until(both_hear)
        yield Two(*stores)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _subscribers(redis: Redis) -> int:
    ((_, count),) = await redis.pubsub_numsub(CHANNEL)
    return int(count)


async def test_change_reaches_who_does_not_hear_postgres(two: Two) -> None:
    async with two.hearing.database.connection() as connection:
        client_id = await get_or_create_client(connection, "demo:ann")
    await two.deaf.reader.read(client_id)
    was_known = two.deaf.reader.find_last_known(client_id)

    async with two.hearing.database.transaction() as connection:
        await bump_version(connection, client_id)

    async def is_dropped() -> bool:
        return two.deaf.reader.find_last_known(client_id) is None

    await until(is_dropped)
    assert was_known is not None


async def test_sign_out_reaches_who_does_not_hear_postgres(two: Two) -> None:
    token = await two.hearing.sessions.sign_in("demo:ann")
    await two.deaf.sessions.find(token)
    was_known = two.deaf.sessions.recall(token, HOST)

    await two.hearing.sessions.sign_out(token)

    async def is_dropped() -> bool:
        return two.deaf.sessions.recall(token, HOST) is None

    await until(is_dropped)
    assert was_known is not None


async def test_what_somebody_else_says_there_is_not_heard(two: Two, servers: Servers) -> None:
    async with two.hearing.database.connection() as connection:
        ann, bea = [await get_or_create_client(connection, name) for name in ("demo:ann", "demo:b")]
    for client_id in (ann, bea):
        await two.deaf.reader.read(client_id)
    async with Redis.from_url(servers.valkey) as redis:
        for notice in (f"tollway_entitlement {ann}:{2**60}", f"tollway_client {ann}", "nonsense"):
            await redis.publish(CHANNEL, notice)

    async with two.hearing.database.transaction() as connection:
        await bump_version(connection, bea)

    async def is_dropped() -> bool:
        return two.deaf.reader.find_last_known(bea) is None

    await until(is_dropped)
    assert two.deaf.reader.find_last_known(ann) is not None


async def test_who_hears_nothing_of_postgres_asks_again_within_seconds(two: Two) -> None:
    deaf = two.deaf
    token = await two.hearing.sessions.sign_in("demo:ann")
    visitor = await deaf.sessions.find(token)
    client_id = await deaf.clients.admit("idp:bea", math.inf)
    assert visitor is not None
    assert client_id is not None
    await deaf.reader.read(client_id)

    async def is_nothing_left() -> bool:
        remembered = (
            deaf.sessions.recall(token, HOST),
            deaf.clients.recall("idp:bea", math.inf),
            deaf.reader.find(client_id),
        )
        return remembered == (None, None, None)

    assert not await is_nothing_left()
    async with asyncio.timeout(10):
        await until(is_nothing_left)
    assert await deaf.clients.admit("idp:bea", math.inf) == client_id
