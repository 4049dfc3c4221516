"""The second rung: snapshots in Valkey or Redis, shared by processes and machines.

It is a cache and nothing more: every failure is a miss, and a failing server is left
alone for a moment, so that it costs no request its time-out.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import structlog
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.crc import key_slot
from redis.exceptions import RedisClusterException, RedisError

from billing.entitlements.codec import FORMAT, decode, encode
from billing.entitlements.rest import Rest
from billing.entitlements.shared import Shared
from billing.entitlements.signing import Signer
from billing.entitlements.trust import Trust
from policies.model import Snapshot

_log = structlog.get_logger("billing.redis")

RedisClient: TypeAlias = Redis | RedisCluster

FAILURES: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What a call says when the server, or what leads to it, fails."""

CHANNEL: Final = "tollway_changes"
"""Payload, signed as a notice: the notice's channel, a space, and its own payload."""
NOTICE: Final = "notice"

# Fewer than the connections that the client may open: who waits here fails nobody.
_AT_ONCE: Final = 48
# So many of one batch of changes: a flood of them leaves room for those who read.
_CHANGES_AT_ONCE: Final = 16
# As long as processes take to hear of the same change.
_TOLD_S: Final = 30

# Each script touches one key and answers with the history of writes that its server has, which
# another server in its place does not share (a replica that is promoted begins a new one, and so
# does a server that starts).
_HISTORY = """
local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
"""

# KEYS[1].
_FIND = f"""{_HISTORY}
local held = redis.call('HMGET', KEYS[1], 's', 'n')
return {{history, held[1], held[2]}}
"""

# A hash of version, snapshot, and what it has seen. An older version never replaces a newer one,
# and of one version the later reading stays. KEYS[1]; ARGV: version, snapshot, as_of, ttl in ms.
_PUT = f"""{_HISTORY}
local held = redis.call('HMGET', KEYS[1], 'v', 'n')
local version, newest = tonumber(ARGV[1]), tonumber(held[1] or '-1')
if version > newest or version == newest and tonumber(ARGV[3]) >= tonumber(held[2] or '-1') then
    redis.call('HSET', KEYS[1], 'v', ARGV[1], 's', ARGV[2], 'n', ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return {{history}}
"""

# A notice leaves the version without a snapshot, so that a slow reader cannot put the old one
# back. The first to bring it tells all others, of whom some may not hear Postgres.
# KEYS[1]; ARGV: version, ttl in ms, channel, message.
_INVALIDATE = f"""{_HISTORY}
if tonumber(ARGV[1]) > tonumber(redis.call('HGET', KEYS[1], 'v') or '-1') then
    redis.call('HSET', KEYS[1], 'v', ARGV[1], 's', '', 'n', '-1')
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    redis.call('PUBLISH', ARGV[3], ARGV[4])
end
return {{history}}
"""

# KEYS[1]; ARGV: seconds, channel, message.
_TELL = f"""{_HISTORY}
if redis.call('SET', KEYS[1], '', 'NX', 'EX', ARGV[1]) then
    redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return {{history}}
"""

_Script: TypeAlias = Callable[..., Awaitable[Any]]  # What a script gives is its own affair.


class RedisStore:
    """Snapshots under `tollway:entitlement:<format>:<client id>`, each for `ttl_s`."""

    def __init__(
        self,
        redis: RedisClient,
        trust: Trust,
        signer: Signer,
        *,
        ttl_s: float,
        timeout_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._redis = redis
        self._trust = trust
        self._signer = signer
        self._ttl_ms = int(ttl_s * 1000)
        self._timeout_s = timeout_s
        self._rest = Rest(monotonic)
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._is_parted = isinstance(redis, RedisCluster)
        self._learning: asyncio.Task[object] | None = None
        self._has_answered = False
        self._find, self._put, self._invalidate, self._tell = (
            redis.register_script(script) for script in (_FIND, _PUT, _INVALIDATE, _TELL)
        )

    async def find(self, client_id: str) -> Shared | None:
        """Return the snapshot, or None when there is none or the server fails."""
        answer = await self._ask(self._find, _key(client_id), ())
        if answer is None or not answer[1]:
            return None
        try:
            as_of = int(answer[2])
            text = self._signer.check(_about(client_id, as_of), answer[1])
            return None if text is None else Shared(decode(text), as_of)
        except (ValueError, TypeError):
            return None

    async def put(self, snapshot: Snapshot, as_of: int) -> None:
        """Keep the snapshot unless a newer version is known there."""
        client_id = snapshot.client_id
        signed = self._signer.sign(_about(client_id, as_of), encode(snapshot))
        args = (snapshot.version, signed, as_of, self._ttl_ms)
        await self._ask(self._put, _key(client_id), args)

    async def invalidate(self, changes: Mapping[str, int], channel: str) -> bool:
        """Drop what is below the versions, refuse such ones, and tell all; True if that is done."""
        todo = list(changes.items())
        for start in range(0, len(todo), _CHANGES_AT_ONCE):
            batch = todo[start : start + _CHANGES_AT_ONCE]
            done = await asyncio.gather(
                *(self._outdate(client_id, version, channel) for client_id, version in batch)
            )
            if not all(done):
                return False
        return True

    async def tell(self, channel: str, payload: str) -> None:
        """Tell all processes of something that ended, once however many of them do."""
        key = f"tollway:told:{channel}:{payload}"
        await self._ask(self._tell, key, (_TOLD_S, CHANNEL, self._notice(channel, payload)))

    async def _outdate(self, client_id: str, version: int, channel: str) -> bool:
        args = (version, self._ttl_ms, CHANNEL, self._notice(channel, f"{client_id}:{version}"))
        return await self._ask(self._invalidate, _key(client_id), args) is not None

    def _notice(self, channel: str, payload: str) -> bytes:
        return self._signer.sign(NOTICE, f"{channel} {payload}")

    async def _ask(self, script: _Script, key: str, args: Sequence[object]) -> list[bytes] | None:
        """Run the script on its key; None if the server fails, or rests after a failure."""
        if not self._rest.may_try():
            return None
        try:
            async with self._in_time():
                if self._is_parted and not (self._has_answered and self._rest.is_over):
                    await self._learn_servers()
                answer: list[bytes] = await script(keys=[key], args=args)
            history = answer[0].decode()
        except FAILURES as error:
            self._rest.failed()
            _log.warning("redis_unavailable", why=str(error) or type(error).__name__)
            return None
        except Exception:  # noqa: BLE001 - whatever is wrong with a cache, it fails no request
            self._rest.failed()
            _log.exception("redis_failed")
            return None
        self._rest.succeeded()
        self._has_answered = True
        part = key_slot(key.encode()) if self._is_parted else 0
        self._trust.answered(part, history)
        return answer

    async def _learn_servers(self) -> None:
        """Have the client find out where the servers of the cluster are.

        That may take longer than a call has; who is cut off leaves it to the next.
        """
        if self._learning is None:
            self._learning = asyncio.create_task(self._redis.initialize(), name="redis cluster")
            self._learning.add_done_callback(self._learned)
        await asyncio.shield(self._learning)

    def _learned(self, learning: asyncio.Task[object]) -> None:
        self._learning = None
        if not learning.cancelled():
            # Whoever waits hears of it; where nobody does any more, the next call will.
            learning.exception()

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Wait for room, and for what is done within, no longer than `timeout_s` in all."""
        async with asyncio.timeout(self._timeout_s), self._room:
            yield


def _about(client_id: str, as_of: int) -> str:
    return f"snapshot {client_id} {as_of}"


def _key(client_id: str) -> str:
    return f"tollway:entitlement:{FORMAT}:{client_id}"
