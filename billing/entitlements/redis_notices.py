"""Hears of changes through Redis, too: whoever lost Postgres, learns of them from the others.

It is a second ear and no more. What it misses is missed without a word, so that neither trust nor
freshness ever rests on it.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

import structlog

from billing.entitlements.invalidation import Handler
from billing.entitlements.redis_store import CHANNEL, FAILURES, NOTICE, RedisClient
from billing.entitlements.signing import Signer

_log = structlog.get_logger("billing.redis")

_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0
# A connection that died without a word (a pulled cable) is found by asking now and then.
_CHECK_EVERY_S: Final = 2.0


class RedisListener:
    """Calls a handler with the payload of each notice that another process of ours passed on."""

    def __init__(self, redis: RedisClient, signer: Signer, handlers: Mapping[str, Handler]) -> None:
        self._redis = redis
        self._signer = signer
        self._handlers = handlers
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled; reconnects with growing waits."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                await self._listen()
            except FAILURES as error:
                _log.warning("redis_listener_lost", why=str(error) or type(error).__name__)
            except Exception:  # noqa: BLE001 - a second ear must not take the first with it
                _log.exception("redis_listener_failed")
            if self.connected.is_set():
                wait_s = _FIRST_WAIT_S
            self.connected.clear()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def _listen(self) -> None:
        """Hold one subscription until it is lost."""
        # Of a cluster, where its servers are has to be known before one is chosen.
        await self._redis.initialize()
        subscription = self._redis.pubsub()
        try:
            await subscription.subscribe(CHANNEL)
            is_asked = False
            while True:
                message = await subscription.get_message(timeout=_CHECK_EVERY_S)
                if message is not None:
                    is_asked = False
                    await self._take(message)
                elif is_asked:
                    raise TimeoutError("Redis says nothing any more")
                else:
                    is_asked = True
                    async with asyncio.timeout(_CHECK_EVERY_S):
                        await subscription.ping()
        finally:
            with contextlib.suppress(*FAILURES):
                # It is lost, or not needed any more.
                await subscription.aclose()  # type: ignore[no-untyped-call] # redis-py's own

    async def _take(self, message: Mapping[str, object]) -> None:
        if message["type"] == "subscribe":
            self.connected.set()
        data = message["data"]
        if message["type"] != "message" or not isinstance(data, bytes):
            return
        notice = self._signer.check(NOTICE, data)
        if notice is None:
            return
        channel, _, payload = notice.decode().partition(" ")
        handler = self._handlers.get(channel)
        if handler is None:
            return
        try:
            await handler(payload)
        except Exception:  # noqa: BLE001 - one bad notice must not end all others
            _log.exception("notice_failed", channel=channel)
