"""Makes the client of Valkey or Redis: one server, several behind Sentinels, or a cluster.

A call is tried once: who is refused reads Postgres instead, which is sooner than a second try.
"""

from typing import Final

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from billing.entitlements.redis_store import RedisClient
from gateway.config.redis_url import RedisPlace, parse_redis_url

# More than are ever under way (`billing.entitlements.redis_store`), with one to listen.
_CONNECTIONS: Final = 64
# Of the time for one call. The client has to give up by itself before we cut it off: that is when
# it asks anew where the servers are.
_SHARE: Final = 0.8


def redis_client_of(url: str, timeout_s: float) -> RedisClient:
    """Return a client, which connects when it is used; a call may take `timeout_s`."""
    place = parse_redis_url(url)
    timeout_s *= _SHARE
    if place is None:
        single: Redis = Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            max_connections=_CONNECTIONS,
            retry=_once(),
        )
        return single
    if place.kind == "sentinel":
        return _behind_sentinels(place, timeout_s)
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in place.hosts],
        username=place.username,
        password=place.password,
        ssl=place.is_tls,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        max_connections=_CONNECTIONS,
        # Moved keys are followed in any case; a node that fails makes the table be read anew.
        retry=_once(),
        reinitialize_steps=1,
    )


async def close_redis_client(client: RedisClient) -> None:
    """Close every connection of the client, those to Sentinels too."""
    await client.aclose()
    if isinstance(client, Redis) and isinstance(client.connection_pool, SentinelConnectionPool):
        for sentinel in client.connection_pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def _behind_sentinels(place: RedisPlace, timeout_s: float) -> Redis:
    # A call has `timeout_s` in all: one Sentinel that hangs must leave time to ask another.
    each_s = timeout_s / (len(place.hosts) + 1)
    sentinels = Sentinel(  # type: ignore[no-untyped-call] # redis-py's own
        list(place.hosts),
        sentinel_kwargs={
            "socket_timeout": each_s,
            "socket_connect_timeout": each_s,
            "ssl": place.is_tls,
            "retry": _once(),
        },
    )
    client: Redis = sentinels.master_for(
        place.master,
        db=place.database,
        username=place.username,
        password=place.password,
        ssl=place.is_tls,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        max_connections=_CONNECTIONS,
        retry=_once(),
    )
    return client


def _once() -> Retry:
    return Retry(NoBackoff(), 0)
