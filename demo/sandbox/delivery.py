"""Signs events and posts them until the receiver takes them."""

import asyncio
import hashlib
import hmac
import logging
import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from demo.sandbox.clock import VirtualClock
from demo.sandbox.deliveries import Deliveries, Pending

_log = logging.getLogger("sandbox.delivery")

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 30.0
# Stripe tries for three days as well ("Receive Stripe events in your webhook endpoint").
_GIVE_UP_AFTER_S = 3 * 86_400
_TIMEOUT_S = 10.0
_AT_ONCE = 8
# What a receiver answers is of no use but for its status.
_ANSWER_LIMIT_BYTES = 64 * 1024


class Courier:
    """Delivers what is pending; a delivery that was under way at a kill goes out again."""

    def __init__(self, deliveries: Deliveries, clock: VirtualClock, url: str, secret: str) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._url = url
        self._secret = secret
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._under_way: set[str] = set()

    def wake(self) -> None:
        """Look for pending deliveries now."""
        self._idle.clear()
        self._wake.set()

    async def wait_idle(self, limit_s: float) -> None:
        """Wait until nothing is pending that could go out now, at most `limit_s`."""
        try:
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        except TimeoutError:
            _log.warning("the receiver has not taken every event within %s s", limit_s)

    async def run(self) -> None:
        """Deliver until cancelled; what is pending at the start goes out at once."""
        self._deliveries.hurry(self._clock.wall_now_s())
        connector = aiohttp.TCPConnector(resolver=_LoopbackResolver(), limit=_AT_ONCE)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as tasks,
        ):
            while True:
                self._wake.clear()
                room = _AT_ONCE - len(self._under_way)
                now_s = self._clock.wall_now_s()
                for pending in self._deliveries.due(now_s, room, self._under_way) if room else ():
                    self._under_way.add(pending.event_id)
                    tasks.create_task(self._deliver(session, pending))
                await self._wait()

    async def _wait(self) -> None:
        """Wait until the next delivery is due, one has ended, or a new one came."""
        next_s = self._deliveries.next_due_at_s(self._under_way)
        wait_s = None if next_s is None else max(0.0, next_s - self._clock.wall_now_s())
        if wait_s != 0 and not self._under_way:
            self._idle.set()
        if len(self._under_way) >= _AT_ONCE:
            wait_s = None
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            pass  # The next one is due.

    async def _deliver(self, session: aiohttp.ClientSession, pending: Pending) -> None:
        try:
            trouble = await self._post(session, pending)
            if trouble is None:
                self._deliveries.mark_delivered(pending.event_id)
            else:
                self._mark_failed(pending, trouble)
        finally:
            self._under_way.discard(pending.event_id)
            self._wake.set()

    async def _post(self, session: aiohttp.ClientSession, pending: Pending) -> str | None:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(pending.body, self._secret, int(self._clock.wall_now_s())),
            "User-Agent": "Stripe/1.0 (sandbox of Tollway)",
        }
        try:
            # A redirect is a failure, as it is for Stripe: what follows it would be a GET.
            async with session.post(
                self._url, data=pending.body, headers=headers, allow_redirects=False
            ) as answer:
                await answer.content.read(_ANSWER_LIMIT_BYTES)
                return None if 200 <= answer.status < 300 else f"answered with {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return str(error) or type(error).__name__

    def _mark_failed(self, pending: Pending, trouble: str) -> None:
        now_s = self._clock.wall_now_s()
        wait_s = min(_FIRST_WAIT_S * 2**pending.attempts, _LONGEST_WAIT_S)
        is_last = now_s - pending.first_at_s > _GIVE_UP_AFTER_S
        self._deliveries.mark_failed(pending.event_id, trouble, None if is_last else now_s + wait_s)
        _log.info("%s not delivered: %s", pending.event_id, trouble)


def sign(body: bytes, secret: str, at_s: int) -> str:
    """Return the `Stripe-Signature` field (Stripe, "Verify webhook signatures manually")."""
    signed = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={signed.hexdigest()}"


class _LoopbackResolver(AbstractResolver):
    """Resolves names under `.localhost` to the loopback (RFC 6761, section 6.3).

    The C library does so on some systems only.
    """

    def __init__(self) -> None:
        self._others = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host == "localhost" or host.endswith(".localhost"):
            return [
                ResolveResult(
                    hostname=host,
                    host="127.0.0.1",
                    port=port,
                    family=socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
            ]
        return await self._others.resolve(host, port, family)

    async def close(self) -> None:
        await self._others.close()
