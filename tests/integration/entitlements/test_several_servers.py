"""The ladder on servers that are more than one: behind a Sentinel, and in a cluster."""

import asyncio
import gc
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from billing.entitlements.redis_notices import RedisListener
from billing.entitlements.redis_store import NOTICE, RedisClient
from billing.storage.grants import CHANNEL
from billing.storage.pool import Database
from gateway.redis_client import close_redis_client, redis_client_of
from policies.model import Snapshot, Unknown
from tests.integration.entitlements.conftest import SIGNER, Process, Writer, make_process, trusting
from tests.support.clock import FakeClock
from tests.support.ports import refusing_port
from tests.support.valkeys import clustered, replicated, until

TIMEOUT_S = 2.0
LIMIT_S = 30.0


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """redis-py loses sight of some connections to a cluster, and leaves them to the collector.

    It must not find them in another test, which is not at fault.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[RedisClient]:
    client = redis_client_of(url, TIMEOUT_S)
    await client.initialize()
    yield client
    await close_redis_client(client)


@asynccontextmanager
async def hearing(client: RedisClient) -> AsyncIterator[asyncio.Queue[str]]:
    """Yield the payloads of changes that come through Redis."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(payload: str) -> None:
        heard.put_nowait(payload)

    listener = RedisListener(client, SIGNER, {CHANNEL: hear})
    task = asyncio.create_task(listener.run())
    try:
        async with asyncio.timeout(LIMIT_S):
            await listener.connected.wait()
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def apps_of(facts: Snapshot | Unknown | None) -> set[str]:
    assert isinstance(facts, Snapshot)
    return {grant.app_id for grant in facts.grants}


async def push_out(process: Process) -> None:
    for _ in range(6):
        await process.reader.read_truth(str(uuid.uuid4()))


async def test_replica_that_lacks_the_last_writes_brings_nothing_back(
    database: Database, writer: Writer, clock: FakeClock, tmp_path: Path
) -> None:
    async with replicated(tmp_path) as (master, replica, url), client_of(url) as client:
        process = await trusting(make_process(database, clock, client, clients=4))
        await process.read(writer.client_id)
        key = f"tollway:entitlement:2:{writer.client_id}"
        saved = await master.redis.dump(key) or b""
        version = await writer.grant("notes")
        await process.hear(writer.client_id, version)

        master.kill()

        async def is_promoted() -> bool:
            state = await replica.redis.info("replication")
            return bool(state["role"] == "master")

        await until(is_promoted)
        await replica.redis.restore(key, 0, saved, replace=True)
        await push_out(process)

        async def answers() -> bool:
            process.monotonic.now_s += 1.1
            return await process.shared.invalidate({str(uuid.uuid4()): 1}, CHANNEL)

        await until(answers)
        assert apps_of(await process.read(writer.client_id)) == {"notes"}
        assert apps_of(await process.find_shared(writer.client_id)) == {"notes"}


async def test_changes_are_heard_again_after_a_fail_over(tmp_path: Path) -> None:
    async with (
        replicated(tmp_path) as (master, _, url),
        client_of(url) as client,
        hearing(client) as heard,
    ):
        master.kill()

        async def is_told() -> bool:
            await client.publish("tollway_changes", SIGNER.sign(NOTICE, f"{CHANNEL} c:1"))
            return not heard.empty()

        await until(is_told)
        assert heard.get_nowait() == "c:1"


async def test_cluster_shares_snapshots_and_changes_whatever_part_they_are_in(
    database: Database, writer: Writer, clock: FakeClock, tmp_path: Path
) -> None:
    async with (
        clustered(tmp_path) as (nodes, url),
        client_of(url) as client,
        client_of(url) as other_client,
        hearing(other_client) as heard,
    ):
        first = await trusting(make_process(database, clock, client))
        second = await trusting(make_process(database, clock, other_client))
        crowd = [str(uuid.uuid4()) for _ in range(30)]
        for client_id in crowd:
            await first.read(client_id)

        kept = [await node.redis.dbsize() for node in nodes]
        found = [await second.find_shared(client_id) for client_id in crowd]
        for client_id in crowd:
            await first.hear(client_id, 2)
        async with asyncio.timeout(LIMIT_S):
            told = {await heard.get() for _ in crowd}

        assert all(kept)
        assert all(found)
        assert second.reader._trust.covers(2**60)
        assert told == {f"{client_id}:2" for client_id in crowd}
        assert not any([await second.find_shared(client_id) for client_id in crowd])


async def test_cluster_of_which_nobody_answers_is_a_miss(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    await writer.grant("notes")
    with refusing_port() as port:
        client = redis_client_of(f"redis+cluster://127.0.0.1:{port}", TIMEOUT_S)
        process = make_process(database, clock, client)

        facts = await process.read(writer.client_id)

    await close_redis_client(client)
    assert apps_of(facts) == {"notes"}


async def test_part_of_a_cluster_that_is_gone_is_a_miss(
    database: Database, writer: Writer, clock: FakeClock, tmp_path: Path
) -> None:
    async with clustered(tmp_path) as (nodes, url), client_of(url) as client:
        process = await trusting(make_process(database, clock, client))
        await writer.grant("notes")
        for node in nodes[1:]:
            node.kill()

        async with asyncio.timeout(LIMIT_S):
            facts = await process.read(writer.client_id)

        assert apps_of(facts) == {"notes"}
