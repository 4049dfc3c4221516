"""Signs events and posts them until the receiver takes them."""

import asyncio
import hashlib
import hmac
import logging
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from demo.sandbox.clock import VirtualClock
from demo.sandbox.deliveries import Pending
from demo.sandbox.destinations import valid_secrets
from demo.sandbox.outbox import Outbox
from demo.sandbox.store import Store

_log = logging.getLogger("sandbox.delivery")

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 30.0
# Stripe tries for three days as well ("Receive Stripe events in your webhook endpoint").
_GIVE_UP_AFTER_S = 3 * 86_400
_TIMEOUT_S = 10.0
# As many as the knob goes up to.
_MOST_AT_ONCE = 8
# What a receiver answers is of no use but for its status.
_ANSWER_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class SignedDelivery:
    """A delivery as it goes out: where to, under which header fields, and what."""

    pending: Pending
    url: str
    headers: dict[str, str]


class Courier:
    """Delivers what is pending; a delivery that was under way at a kill goes out again.

    Who runs no courier takes `sign_due` and says with `mark` how it went.
    """

    def __init__(self, outbox: Outbox, store: Store, clock: VirtualClock) -> None:
        self._outbox = outbox
        self._deliveries = outbox.deliveries
        self._store = store
        self._clock = clock
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._under_way: set[int] = set()

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
            _log.warning("the receivers have not taken every event within %s s", limit_s)

    def sign_due(self, limit: int) -> list[SignedDelivery]:
        """Return at most `limit` deliveries that may go out now, in their order, signed."""
        now_s = self._clock.wall_now_s()
        due = self._deliveries.due(now_s, limit, self._under_way)
        return [self._sign(pending, now_s) for pending in due]

    def mark(self, pending: Pending, trouble: str | None) -> None:
        """Record how an attempt went: taken, or what it met; then it is due again later."""
        if trouble is None:
            self._deliveries.mark_delivered(pending.id)
            return
        now_s = self._clock.wall_now_s()
        wait_s = min(_FIRST_WAIT_S * 2**pending.attempts, _LONGEST_WAIT_S)
        is_last = now_s - pending.first_at_s > _GIVE_UP_AFTER_S
        self._deliveries.mark_failed(pending.id, trouble, None if is_last else now_s + wait_s)
        _log.info("%s not delivered: %s", pending.event_id, trouble)

    async def run(self) -> None:
        """Deliver until cancelled; what is pending at the start goes out at once."""
        self._deliveries.hurry(self._clock.wall_now_s())
        connector = aiohttp.TCPConnector(resolver=_LoopbackResolver(), limit=_MOST_AT_ONCE)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as tasks,
        ):
            while True:
                self._wake.clear()
                room = self._outbox.knobs.at_once - len(self._under_way)
                for signed in self.sign_due(room) if room > 0 else ():
                    self._under_way.add(signed.pending.id)
                    tasks.create_task(self._deliver(session, signed))
                await self._wait()

    async def _wait(self) -> None:
        """Wait until the next delivery is due, one has ended, or a new one came."""
        next_s = self._deliveries.next_due_at_s(self._under_way)
        wait_s = None if next_s is None else max(0.0, next_s - self._clock.wall_now_s())
        if wait_s != 0 and not self._under_way:
            self._idle.set()
        if len(self._under_way) >= self._outbox.knobs.at_once:
            wait_s = None
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            pass  # The next one is due.

    async def _deliver(self, session: aiohttp.ClientSession, signed: SignedDelivery) -> None:
        try:
            self.mark(signed.pending, await _post(session, signed))
        finally:
            self._under_way.discard(signed.pending.id)
            self._wake.set()

    def _sign(self, pending: Pending, now_s: float) -> SignedDelivery:
        endpoint = self._store.find("webhook_endpoint", pending.endpoint_id)
        secrets = valid_secrets(self._store, pending.endpoint_id, now_s)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(pending.body, secrets, int(now_s)),
            "User-Agent": "Stripe/1.0 (sandbox of Tollway)",
        }
        return SignedDelivery(pending, "" if endpoint is None else endpoint["url"], headers)


async def _post(session: aiohttp.ClientSession, signed: SignedDelivery) -> str | None:
    try:
        # A redirect is a failure, as it is for Stripe: what follows it would be a GET.
        async with session.post(
            signed.url, data=signed.pending.body, headers=signed.headers, allow_redirects=False
        ) as answer:
            await answer.content.read(_ANSWER_LIMIT_BYTES)
            return None if 200 <= answer.status < 300 else f"answered with {answer.status}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return str(error) or type(error).__name__


def sign(body: bytes, secrets: Iterable[str], at_s: int) -> str:
    """Return the `Stripe-Signature` field, with one `v1` for each secret.

    Stripe, "Verify webhook signatures manually"; several stand there while a secret is rolled.
    """
    message = f"{at_s}.".encode() + body
    marks = (hmac.new(secret.encode(), message, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={at_s}", *(f"v1={mark}" for mark in marks)])


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
