"""The second rung: snapshots in Valkey or Redis, shared by processes and machines.

It is a cache and nothing more: every failure is a miss, and a failing server is left
alone for a moment, so that it costs no request its time-out.
"""

from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from billing.entitlements.codec import FORMAT, decode, encode
from policies.model import Snapshot

_log = structlog.get_logger("billing.redis")

_REST_AFTER_FAILURE_S = 1.0

# A hash of version and snapshot. An older version never replaces a newer one, and a
# notice leaves the version without a snapshot, so that a slow reader cannot put the
# old one back. KEYS[1]; ARGV: version, snapshot or '', ttl in ms.
_PUT = """
local held = tonumber(redis.call('HGET', KEYS[1], 'v') or '-1')
local version = tonumber(ARGV[1])
if version < held or (version == held and ARGV[2] == '') then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 's', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""


class RedisStore:
    """Snapshots under `tollway:entitlement:<format>:<client id>`, each for `ttl_s`."""

    def __init__(self, redis: Redis, ttl_s: float, monotonic: Callable[[], float]) -> None:
        self._redis = redis
        self._ttl_ms = int(ttl_s * 1000)
        self._monotonic = monotonic
        self._rests_until_s = float("-inf")
        self._put = redis.register_script(_PUT)

    async def find(self, client_id: str) -> Snapshot | None:
        """Return the snapshot, or None when there is none or the server fails."""
        if self._is_resting():
            return None
        try:
            text = await self._redis.hget(_key(client_id), "s")
        except (RedisError, OSError, TimeoutError) as error:
            self._rest(error)
            return None
        try:
            return decode(text) if text else None
        except ValueError:
            return None

    async def put(self, snapshot: Snapshot) -> None:
        """Keep the snapshot unless a newer version is known there."""
        await self._write(snapshot.client_id, snapshot.version, encode(snapshot))

    async def invalidate(self, client_id: str, version: int) -> None:
        """Drop the client's snapshot below `version`, and refuse such ones."""
        await self._write(client_id, version, "")

    async def _write(self, client_id: str, version: int, text: str) -> None:
        if self._is_resting():
            return
        try:
            await self._put(keys=[_key(client_id)], args=[version, text, self._ttl_ms])
        except (RedisError, OSError, TimeoutError) as error:
            self._rest(error)

    def _is_resting(self) -> bool:
        return self._monotonic() < self._rests_until_s

    def _rest(self, error: Exception) -> None:
        self._rests_until_s = self._monotonic() + _REST_AFTER_FAILURE_S
        _log.warning("redis_unavailable", why=str(error) or type(error).__name__)


def _key(client_id: str) -> str:
    return f"tollway:entitlement:{FORMAT}:{client_id}"
