"""`POST /webhook`: verify the raw bytes, store one row, answer. Nothing else happens here.

400 for what is not authentic, 413 for what is too large, 5xx only where the provider
shall send it again; unknown types are stored and answered 200.
"""

from collections.abc import Mapping

import structlog
from aiohttp import web

from billing.errors import BadEventError, UnavailableError
from billing.ports import Clock, Provider
from billing.storage.pool import Database
from billing.webhooks.inbox import store_event

_log = structlog.get_logger("billing.webhooks")


class WebhookEndpoint:
    """Receives the events of every configured provider."""

    def __init__(
        self,
        database: Database,
        providers: Mapping[str, Provider],
        clock: Clock,
        *,
        default: str,
        body_limit_bytes: int,
    ) -> None:
        self._database = database
        self._providers = providers
        self._clock = clock
        self._default = default
        self._body_limit_bytes = body_limit_bytes

    def routes(self) -> list[web.RouteDef]:
        """Return `/webhook`, for the default provider, and `/webhook/{provider}`."""
        return [
            web.post("/webhook", self.receive),
            web.post("/webhook/{provider}", self.receive),
        ]

    async def receive(self, request: web.Request) -> web.Response:
        """Take one event; the same event again is answered like the first."""
        provider = self._providers.get(request.match_info.get("provider", self._default))
        if provider is None:
            return web.json_response({"error": "no such provider"}, status=404)
        body = await _read_bounded(request, self._body_limit_bytes)
        if body is None:
            return web.json_response({"error": "body too large"}, status=413)
        now = self._clock()
        try:
            event = provider.verify(body, request.headers, now)
        except BadEventError as error:
            _log.warning("webhook_refused", provider=provider.name, why=str(error))
            return web.json_response({"error": str(error)}, status=400)
        if event.livemode is not provider.livemode:
            _log.warning("webhook_wrong_mode", provider=provider.name, event_id=event.external_id)
            return web.json_response({"received": True, "ignored": "wrong mode"})
        kept = {"Stripe-Signature": request.headers.get("Stripe-Signature", "")}
        try:
            new = await store_event(self._database, provider.name, event, body, kept, now)
        except UnavailableError as error:
            _log.warning("webhook_not_stored", event_id=event.external_id, why=str(error))
            return web.json_response({"error": "try again"}, status=503)
        _log.info("webhook_received", event_id=event.external_id, type=event.type, new=new)
        return web.json_response({"received": True})


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
