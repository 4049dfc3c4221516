"""The second rung on a real Valkey: version compare-and-set, and every failure a miss."""

import asyncio
import random
import uuid

import pytest
from redis.asyncio import Redis

from billing.entitlements.codec import encode
from billing.entitlements.redis_store import CHANNEL as REDIS_CHANNEL
from billing.entitlements.redis_store import NOTICE, RedisStore
from billing.entitlements.shared import Shared
from billing.entitlements.signing import Signer
from billing.entitlements.trust import Trust
from tests.integration.entitlements.conftest import SIGNER
from tests.support.clock import Seconds
from tests.support.snapshots import make_grant, make_snapshot

CHANNEL = "changes"


def make_store(
    redis: Redis, monotonic: Seconds | None = None, trust: Trust | None = None
) -> RedisStore:
    return RedisStore(
        redis, trust or Trust(), SIGNER, ttl_s=60, timeout_s=5, monotonic=monotonic or Seconds()
    )


@pytest.fixture
def store(redis: Redis) -> RedisStore:
    return make_store(redis)


@pytest.fixture
def client_id() -> str:
    return str(uuid.uuid4())


async def test_snapshot_comes_back(store: RedisStore, client_id: str) -> None:
    snapshot = make_snapshot(make_grant(), client_id=client_id)

    await store.put(snapshot, 7)

    assert await store.find(client_id) == Shared(snapshot, 7)


async def test_unknown_client_is_a_miss(store: RedisStore, client_id: str) -> None:
    assert await store.find(client_id) is None


async def test_older_snapshot_never_replaces_a_newer_one(store: RedisStore, client_id: str) -> None:
    newer = make_snapshot(client_id=client_id, version=2)
    await store.put(newer, 7)

    await store.put(make_snapshot(client_id=client_id, version=1), 7)

    assert await store.find(client_id) == Shared(newer, 7)


async def test_notice_empties_and_refuses_what_is_older(store: RedisStore, client_id: str) -> None:
    await store.put(make_snapshot(client_id=client_id, version=1), 7)

    await store.invalidate({client_id: 2}, CHANNEL)
    await store.put(make_snapshot(client_id=client_id, version=1), 7)

    assert await store.find(client_id) is None


async def test_notice_of_what_is_there_already_empties_nothing(
    store: RedisStore, client_id: str
) -> None:
    snapshot = make_snapshot(client_id=client_id, version=2)
    await store.put(snapshot, 7)

    await store.invalidate({client_id: 2}, CHANNEL)
    await store.invalidate({client_id: 1}, CHANNEL)

    assert await store.find(client_id) == Shared(snapshot, 7)


async def test_writers_in_any_order_leave_the_newest(store: RedisStore, client_id: str) -> None:
    versions = list(range(1, 30))
    random.Random(7).shuffle(versions)  # noqa: S311 - an order, not a secret

    await asyncio.gather(
        *(store.put(make_snapshot(client_id=client_id, version=v), 7) for v in versions)
    )

    found = await store.find(client_id)
    assert found is not None
    assert found.snapshot.version == 29


async def test_of_one_version_the_later_reading_stays(store: RedisStore, client_id: str) -> None:
    snapshot = make_snapshot(client_id=client_id)
    await store.put(snapshot, 8)

    await store.put(snapshot, 7)

    assert await store.find(client_id) == Shared(snapshot, 8)


async def test_change_is_told_to_all_by_the_first_who_brings_it(
    store: RedisStore, redis: Redis, client_id: str
) -> None:
    async with redis.pubsub() as heard:
        await heard.subscribe(REDIS_CHANNEL)
        await heard.get_message(timeout=5)

        for _ in range(2):
            assert await store.invalidate({client_id: 2}, CHANNEL)
        await store.tell("ended", client_id)
        await store.tell("ended", client_id)

        told = [await heard.get_message(timeout=5) for _ in range(2)]
        assert [message and SIGNER.check(NOTICE, message["data"]) for message in told] == [
            f"{CHANNEL} {client_id}:2".encode(),
            f"ended {client_id}".encode(),
        ]


async def test_server_that_hangs_costs_one_time_out_and_no_more(
    redis: Redis, client_id: str
) -> None:
    monotonic = Seconds()
    store = RedisStore(redis, Trust(), SIGNER, ttl_s=60, timeout_s=0.1, monotonic=monotonic)
    await redis.client_pause(2_000)

    first = await store.invalidate({client_id: 1}, CHANNEL)
    second = await store.invalidate({client_id: 1}, CHANNEL)
    await redis.client_unpause()
    monotonic.now_s += 1.1

    assert (first, second) == (False, False)
    assert await store.invalidate({client_id: 1}, CHANNEL)


async def test_snapshots_do_not_stay_for_ever(
    store: RedisStore, redis: Redis, client_id: str
) -> None:
    await store.put(make_snapshot(client_id=client_id), 7)

    (key,) = [k async for k in redis.scan_iter(f"*{client_id}")]
    assert 0 < await redis.pttl(key) <= 60_000


@pytest.mark.parametrize("text", ["", "{", "nonsense", encode(make_snapshot())[:-3]])
async def test_what_is_no_snapshot_is_a_miss(
    store: RedisStore, redis: Redis, client_id: str, text: str
) -> None:
    await store.put(make_snapshot(client_id=client_id), 7)
    (key,) = [k async for k in redis.scan_iter(f"*{client_id}")]

    await redis.hset(key, "s", text)

    assert await store.find(client_id) is None


async def test_what_another_gateway_signed_is_a_miss(
    store: RedisStore, redis: Redis, client_id: str
) -> None:
    snapshot = make_snapshot(make_grant(), client_id=client_id)
    others = RedisStore(
        redis, Trust(), Signer(b"o" * 32), ttl_s=60, timeout_s=5, monotonic=Seconds()
    )

    await others.put(snapshot, 7)

    assert await store.find(client_id) is None


async def test_snapshot_that_somebody_moved_to_another_client_is_a_miss(
    store: RedisStore, redis: Redis, client_id: str
) -> None:
    paid = str(uuid.uuid4())
    for one, facts in ((paid, [make_grant()]), (client_id, [])):
        await store.put(make_snapshot(*facts, client_id=one), 7)
    (source,) = [key async for key in redis.scan_iter(f"*{paid}")]
    (target,) = [key async for key in redis.scan_iter(f"*{client_id}")]

    await redis.copy(source, target, replace=True)

    assert await store.find(client_id) is None


async def test_snapshot_that_somebody_made_newer_is_a_miss(
    store: RedisStore, redis: Redis, client_id: str
) -> None:
    await store.put(make_snapshot(client_id=client_id), 7)
    (key,) = [key async for key in redis.scan_iter(f"*{client_id}")]

    await redis.hset(key, "n", "8")

    assert await store.find(client_id) is None


async def test_server_that_is_gone_is_a_miss_and_is_left_alone_for_a_moment(client_id: str) -> None:
    calls = 0

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monotonic = Seconds()
    redis: Redis = Redis(host="127.0.0.1", port=port, socket_timeout=1)
    store = make_store(redis, monotonic)

    first = await store.find(client_id)
    tried = calls
    await store.put(make_snapshot(client_id=client_id), 7)
    second = await store.find(client_id)
    rested = calls
    monotonic.now_s += 1.1
    await store.find(client_id)
    await redis.aclose()
    server.close()

    assert (first, second) == (None, None)
    assert tried > 0
    assert rested == tried
    assert calls > rested


async def test_server_that_speaks_nonsense_is_a_miss(client_id: str) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(b"+OK\r\n" * 4)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redis: Redis = Redis(host="127.0.0.1", port=port, socket_timeout=1)
    store = make_store(redis)

    found = await store.find(client_id)
    await redis.aclose()
    server.close()

    assert found is None
