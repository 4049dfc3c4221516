"""Stripe behind the provider port: the SDK, with time-outs, retries and errors of ours."""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any, Protocol

import stripe

from billing.errors import (
    BadEventError,
    NoSuchObjectError,
    ProviderRefusedError,
    UnavailableError,
)
from billing.model import (
    CheckoutOrder,
    EventRef,
    Interval,
    ProviderCheckout,
    ProviderSubscription,
)
from billing.providers.stripe_http import StripeHTTPClient
from billing.providers.stripe_objects import (
    UNREADABLE,
    to_checkout,
    to_event,
    to_subscription,
)

# Stripe's own default; a signature further from our clock than this is refused in
# either direction, while Stripe's SDK lets any future time pass.
SIGNATURE_TOLERANCE_S = 300

# The grammar of `Stripe-Signature`, no wider than what Stripe sends: t=…,v1=…,v0=…
_HEADER = re.compile(r"[a-z][a-z0-9]*=[0-9a-zA-Z]+(?:,[a-z][a-z0-9]*=[0-9a-zA-Z]+)*")
_STAMP = re.compile(r"[0-9]{1,12}")

_PASSING = (
    stripe.APIConnectionError,
    stripe.RateLimitError,
    stripe.APIError,
    TimeoutError,
)


class _Answered(Protocol):
    """What every answer of the SDK carries: the bytes that Stripe sent."""

    @property
    def last_response(self) -> Any: ...


class Stripe:
    """One Stripe account in one mode. Construct inside a running loop; `close` at the end."""

    name = "stripe"

    def __init__(
        self,
        *,
        api_url: str,
        secret_key: str,
        webhook_secrets: tuple[str, ...],
        livemode: bool,
        timeout_s: float,
        retries: int,
    ) -> None:
        self.livemode = livemode
        self._webhook_secrets = webhook_secrets
        # The budget for a whole call, retries included; the SDK's own default of 80 s
        # for one try is no time to let a visitor wait.
        self._timeout_s = timeout_s
        self._http = StripeHTTPClient(timeout_s)
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_url},
            http_client=self._http,
            max_network_retries=retries,
        )

    async def close(self) -> None:
        """Close the connections to Stripe."""
        await self._http.close_async()

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> EventRef:
        """Check the signature over the raw bytes with each secret; see `Provider.verify`.

        Source: Stripe, "Receive Stripe events in your webhook endpoint", Verify webhook
        signatures manually (read 2026-11).
        """
        header = headers.get("Stripe-Signature", "")
        _check_age(header, now)
        if not any(self._matches(body, header, secret) for secret in self._webhook_secrets):
            raise BadEventError("signature does not match")
        try:
            return to_event(json.loads(body))
        except (*UNREADABLE, RecursionError) as error:
            raise BadEventError("not an event") from error

    @staticmethod
    def _matches(body: bytes, header: str, secret: str) -> bool:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret)
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            return False
        return True

    async def create_checkout(self, order: CheckoutOrder) -> ProviderCheckout:
        """Create a checkout session; the order's key makes a repeat return the same one."""
        plan, mark = order.plan, {"tollway_client": order.client_id}
        once = plan.interval is Interval.ONCE
        params: dict[str, Any] = {
            "mode": "payment" if once else "subscription",
            "line_items": [{"price": plan.psp_price_id, "quantity": 1}],
            "client_reference_id": order.client_id,
            "metadata": mark,
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "expand": ["line_items"],
        }
        if not once:
            params["subscription_data"] = {"metadata": mark}
        if order.psp_customer_id is not None:
            params["customer"] = order.psp_customer_id
        elif once:
            params["customer_creation"] = "always"
        body, _ = await self._call(
            self._client.v1.checkout.sessions.create_async(
                params,  # type: ignore[arg-type] # the SDK's typed dict cannot be built in steps
                {"idempotency_key": order.idempotency_key},
            )
        )
        return to_checkout(body)

    async def fetch_checkout(self, psp_session_id: str) -> ProviderCheckout:
        """Retrieve the session with its line items."""
        body, _ = await self._call(
            self._client.v1.checkout.sessions.retrieve_async(
                psp_session_id, {"expand": ["line_items"]}
            )
        )
        return to_checkout(body)

    async def fetch_subscription(self, psp_sub_id: str) -> ProviderSubscription:
        """Retrieve the subscription with its latest invoice."""
        body, raw = await self._call(
            self._client.v1.subscriptions.retrieve_async(psp_sub_id, {"expand": ["latest_invoice"]})
        )
        return to_subscription(body, raw)

    async def cancel_at_period_end(self, psp_sub_id: str) -> None:
        """Set `cancel_at_period_end`; setting it twice is the same as once."""
        await self._set_cancel(psp_sub_id, cancel=True)

    async def resume(self, psp_sub_id: str) -> None:
        """Unset `cancel_at_period_end`."""
        await self._set_cancel(psp_sub_id, cancel=False)

    async def _set_cancel(self, psp_sub_id: str, *, cancel: bool) -> None:
        await self._call(
            self._client.v1.subscriptions.update_async(
                psp_sub_id,
                {"cancel_at_period_end": cancel},
                # New for each wish: a client may cancel, resume and cancel again.
                {"idempotency_key": f"cancel:{cancel}:{uuid.uuid4()}"},
            )
        )

    async def _call(self, call: Awaitable[_Answered]) -> tuple[dict[str, Any], str]:
        """Await an SDK call within our budget; return the parsed and the raw answer."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await call
            raw = answer.last_response.body
            text = raw.decode() if isinstance(raw, bytes) else str(raw)
            return json.loads(text), text
        except _PASSING as error:
            raise UnavailableError(f"Stripe: {error or type(error).__name__}") from error
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            # Cured by whoever keeps the keys: nothing may be given up for it.
            raise UnavailableError(f"Stripe refuses our key: {error}") from error
        except stripe.InvalidRequestError as error:
            if error.http_status == 404:
                raise NoSuchObjectError(f"Stripe: {error}") from error
            raise ProviderRefusedError(f"Stripe: {error}") from error
        except stripe.StripeError as error:
            raise ProviderRefusedError(f"Stripe: {error}") from error
        except UNREADABLE as error:
            # Something between us and Stripe answered in its place.
            raise UnavailableError("Stripe: the answer is no object of theirs") from error


def _check_age(header: str, now: datetime) -> None:
    """Check when the signature was made.

    There is exactly one time in a header that is taken: the SDK signs over the first one
    that it understands, and must not understand another than we do.
    """
    if not _HEADER.fullmatch(header):
        raise BadEventError("no signature")
    stamps = [item[2:] for item in header.split(",") if item.startswith("t=")]
    if len(stamps) != 1 or not _STAMP.fullmatch(stamps[0]):
        raise BadEventError("no signature")
    if abs(now.timestamp() - int(stamps[0])) > SIGNATURE_TOLERANCE_S:
        raise BadEventError("signature is too old, or dated ahead")
