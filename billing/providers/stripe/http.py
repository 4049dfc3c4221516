"""The SDK's way to the network: our session, our time-outs, and Stripe's errors in our words."""

import asyncio
import inspect
import json
import time
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

import aiohttp
import stripe

from billing.errors import (
    NoSuchObjectError,
    PaymentNeededError,
    ProviderRefusedError,
    UnavailableError,
)
from billing.metrics import CallOutcome, Meter
from billing.providers.stripe.breaker import Breaker
from billing.providers.stripe.fields import UNREADABLE

# Stripe is there, and does not want to.
_SAYS_NO = range(400, 500)
# A pause that a visitor can sit out; for a longer one the caller has to come back.
_LONGEST_PAUSE_S = 2.0
_MOST_PAUSES = 2
# Two calls that time out in full, with their retries, are 20 s of visitors' waiting; five
# failures are an outage and no accident. Ten seconds bring one call a while to one that is back.
_FAILURES = 5
COOLDOWN_S = 10.0


class _Answered(Protocol):
    """What every answer of the SDK carries: the bytes that Stripe sent."""

    @property
    def last_response(self) -> Any: ...


class StripeHTTPClient(stripe.AIOHTTPClient):
    """Replaces the SDK's own request, which keeps the connection of an answer cut off midway.

    A pool is empty for good after a hundred such answers (stripe-python 16.1,
    `AIOHTTPClient.request_async` reads the body outside of any `async with`).
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._http = aiohttp.ClientSession(timeout=self._timeout)

    async def request_async(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: str | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send the request and return body, status and header fields.

        Asked for a short pause, it makes one and asks again, which the SDK does not do for
        429. A repeat has the same idempotency key.

        Raises:
            stripe.APIConnectionError: there was no whole answer; the SDK may try again.
        """
        for _ in range(_MOST_PAUSES):
            body, status, answered = await self._send(method, url, headers, post_data)
            pause_s = _pause_s(answered) if status == HTTPStatus.TOO_MANY_REQUESTS else None
            if pause_s is None or pause_s > _LONGEST_PAUSE_S:
                return body, status, answered
            await asyncio.sleep(pause_s)
        return await self._send(method, url, headers, post_data)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            async with self._http.request(method, url, headers=headers, data=post_data) as answer:
                return await answer.read(), answer.status, answer.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = str(error) or type(error).__name__
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call] # the SDK has no types here
                why, should_retry=True
            ) from error

    async def close_async(self) -> None:
        """Close every connection."""
        await self._http.close()


class StripeCalls:
    """Calls of one account; `v1` is the SDK's client, and `call` awaits what it makes.

    Construct inside a running loop; `close` at the end.
    """

    def __init__(
        self,
        *,
        api_url: str,
        secret_key: str,
        timeout_s: float,
        retries: int,
        cooldown_s: float,
        meter: Meter,
    ) -> None:
        # The budget for a whole call, retries included; the SDK's own default of 80 s
        # for one try is no time to let a visitor wait.
        self._timeout_s = timeout_s
        self._http = StripeHTTPClient(timeout_s)
        self._meter = meter
        self.breaker = Breaker(_FAILURES, cooldown_s, time.monotonic)
        self.v1 = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_url},
            http_client=self._http,
            max_network_retries=retries,
        ).v1

    async def close(self) -> None:
        """Close the connections to Stripe."""
        await self._http.close_async()

    async def call(self, call: Awaitable[_Answered]) -> Any:  # Any: JSON of another party
        """Await an SDK call within our budget; return the object that Stripe sent.

        Raises:
            UnavailableError: there was no answer, or none that is Stripe's, or it failed
                so often that it is left alone.
            NoSuchObjectError: Stripe knows no such object.
            PaymentNeededError: a card was declined.
            ProviderRefusedError: Stripe said no.
        """
        try:
            self.breaker.enter()
        except UnavailableError:
            self._note(CallOutcome.SHUT_OUT)
            if inspect.iscoroutine(call):
                call.close()
            raise
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await call
            body = json.loads(answer.last_response.body)
        except TimeoutError as error:
            self._note(CallOutcome.FAILED)
            raise UnavailableError("Stripe: no answer in time") from error
        except stripe.StripeError as error:
            says_no = error.http_status in _SAYS_NO
            self._note(CallOutcome.REFUSED if says_no else CallOutcome.FAILED)
            raise _translate(error) from error
        except UNREADABLE as error:
            # Something between us and Stripe answered in its place.
            self._note(CallOutcome.FAILED)
            raise UnavailableError("Stripe: the answer is no object of theirs") from error
        except BaseException:
            self._note(CallOutcome.CUT_SHORT)
            raise
        self._note(CallOutcome.ANSWERED)
        if not isinstance(body, dict):
            raise UnavailableError("Stripe: the answer is no object of theirs")
        return body

    def _note(self, outcome: CallOutcome) -> None:
        """Let the breaker know what came of a call, and count it."""
        match outcome:
            case CallOutcome.ANSWERED | CallOutcome.REFUSED:
                self.breaker.succeed()
            case CallOutcome.FAILED:
                self.breaker.fail()
            case CallOutcome.CUT_SHORT:
                self.breaker.leave()
            case CallOutcome.SHUT_OUT:
                pass  # It was the breaker that said so.
        self._meter.called(outcome, is_shut_out=self.breaker.is_shut)


def _translate(error: stripe.StripeError) -> UnavailableError | ProviderRefusedError:
    """Return what a "no" of Stripe means to the caller."""
    why = f"Stripe: {error or type(error).__name__}"
    absent = (stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError)
    if isinstance(error, absent) or error.http_status == HTTPStatus.CONFLICT:
        # No answer, too much at once, or the same key is being used at this moment.
        return UnavailableError(why)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        # Cured by whoever keeps the keys: nothing may be given up for it.
        return UnavailableError(f"Stripe refuses our key: {error}")
    if isinstance(error, stripe.CardError):
        return PaymentNeededError(why)
    if error.http_status == HTTPStatus.NOT_FOUND:
        return NoSuchObjectError(why)
    return ProviderRefusedError(why)


def _pause_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the answer asks to wait; None if it names no number of them."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None
