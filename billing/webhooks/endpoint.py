"""`POST /webhook`: verify the raw bytes, store one row, answer.

400 for what is not authentic, 413 for what is too large, 5xx only where the provider
shall send it again; unknown types are stored and answered 200. An event of a checkout is
also applied before the answer, if that takes a moment only: its buyer is on the way back.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog
from aiohttp import web

from billing.errors import BadEventError, UnavailableError
from billing.facts import EventRef, ObjectKind
from billing.metrics import Meter, Receipt
from billing.ports import Clock, ProviderReader
from billing.storage.arrivals import Stored
from billing.webhooks.inbox import Claim, Inbox
from billing.webhooks.processing import Processor

_log = structlog.get_logger("billing.webhooks")

# Stripe holds its buyers back until the answer, for 10 s at most ("Fulfill orders", read
# 2026-11); an apply takes a tenth of this.
_AT_ONCE_S = 3.0
# Longer than that, so that no worker takes the event meanwhile; should we die, one does then.
_AT_ONCE_LEASE = timedelta(seconds=10)
# Of the locks and connections, most are for the worker and for returning buyers.
_AT_ONCE = 2
_RECEIPTS = {Stored.NEW: Receipt.NEW, Stored.AGAIN: Receipt.AGAIN, Stored.TWIN: Receipt.TWIN}


@dataclass(frozen=True, slots=True)
class Account:
    """A provider, and where its events go."""

    provider: ProviderReader
    inbox: Inbox
    processor: Processor


class WebhookEndpoint:
    """Receives the events of every configured provider."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        clock: Clock,
        meter: Meter,
        *,
        default: str,
        body_limit_bytes: int,
        at_once_s: float = _AT_ONCE_S,
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._meter = meter
        self._default = default
        self._body_limit_bytes = body_limit_bytes
        self._at_once_s = at_once_s
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    def routes(self) -> list[web.RouteDef]:
        """Return `/webhook`, for the default provider, and `/webhook/{provider}`."""
        return [
            web.post("/webhook", self.receive),
            web.post("/webhook/{provider}", self.receive),
        ]

    async def receive(self, request: web.Request) -> web.Response:
        """Take one event; the same event again is answered like the first."""
        account = self._accounts.get(request.match_info.get("provider", self._default))
        if account is None:
            return web.json_response({"error": "no such provider"}, status=404)
        body = await _read_bounded(request, self._body_limit_bytes)
        if body is None:
            self._meter.received(Receipt.TOO_LARGE)
            return web.json_response({"error": "body too large"}, status=413)
        provider, now = account.provider, self._clock()
        try:
            event = provider.verify(body, request.headers, now)
        except BadEventError as error:
            _log.warning("webhook_refused", provider=provider.name, why=str(error))
            self._meter.received(Receipt.REFUSED)
            return web.json_response({"error": str(error)}, status=400)
        if event.livemode is not provider.livemode:
            _log.warning("webhook_wrong_mode", provider=provider.name, event_id=event.external_id)
            self._meter.received(Receipt.WRONG_MODE)
            return web.json_response({"received": True, "ignored": "wrong mode"})
        self._compare_versions(event, provider)
        signature = {"Stripe-Signature": request.headers.get("Stripe-Signature", "")}
        try:
            stored = await self._store(account, event, body, signature)
        except UnavailableError as error:
            _log.warning("webhook_not_stored", event_id=event.external_id, why=str(error))
            self._meter.received(Receipt.NOT_STORED)
            return web.json_response({"error": "try again"}, status=503)
        self._meter.received(_RECEIPTS[stored])
        _log.info("webhook_received", event_id=event.external_id, type=event.type, stored=stored)
        return web.json_response({"received": True})

    async def _store(
        self, account: Account, event: EventRef, body: bytes, headers: Mapping[str, str]
    ) -> Stored:
        now = self._clock()
        is_urgent = event.ref is not None and event.ref.kind is ObjectKind.CHECKOUT
        if not is_urgent or self._at_once.locked():
            return await account.inbox.store(event, body, headers, now)
        async with self._at_once:
            stored, claim = await account.inbox.store_claimed(
                event, body, headers, now, _AT_ONCE_LEASE
            )
            if claim is not None:
                await self._apply(account, claim)
        return stored

    async def _apply(self, account: Account, claim: Claim) -> None:
        """Apply the event within a moment, or leave it to the worker; it is stored in any case."""
        try:
            async with asyncio.timeout(self._at_once_s):
                await account.processor.process(claim)
        except TimeoutError:
            await self._leave_to_worker(account, claim)
        except Exception:  # noqa: BLE001 - the event is safe, and its sender shall hear so
            _log.exception("webhook_not_applied", inbox_id=claim.id)

    async def _leave_to_worker(self, account: Account, claim: Claim) -> None:
        try:
            await account.inbox.release(claim, self._clock())
        except UnavailableError as error:
            _log.warning("webhook_not_released", inbox_id=claim.id, why=str(error))

    def _compare_versions(self, event: EventRef, provider: ProviderReader) -> None:
        """Tell of an endpoint that writes another version: only its bodies are harder to read."""
        if event.api_version not in {None, provider.api_version}:
            self._meter.other_version()
            _log.warning(
                "webhook_other_version",
                event_id=event.external_id,
                theirs=event.api_version,
                ours=provider.api_version,
            )


async def _read_bounded(request: web.Request, limit: int) -> bytes | None:
    """Read the raw body, or None when it is longer than `limit` bytes."""
    if request.content_length is not None and request.content_length > limit:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
