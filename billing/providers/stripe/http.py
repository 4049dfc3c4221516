"""The SDK's way to the network: our session, our time-outs, and Stripe's errors in our words."""

import asyncio
import json
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

import aiohttp
import stripe

from billing.errors import NoSuchObjectError, ProviderRefusedError, UnavailableError
from billing.providers.stripe.fields import UNREADABLE

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

        Raises:
            stripe.APIConnectionError: there was no whole answer; the SDK may try again.
        """
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

    def __init__(self, *, api_url: str, secret_key: str, timeout_s: float, retries: int) -> None:
        # The budget for a whole call, retries included; the SDK's own default of 80 s
        # for one try is no time to let a visitor wait.
        self._timeout_s = timeout_s
        self._http = StripeHTTPClient(timeout_s)
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
            UnavailableError: there was no answer, or none that is Stripe's.
            NoSuchObjectError: Stripe knows no such object.
            ProviderRefusedError: Stripe said no.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await call
            body = json.loads(answer.last_response.body)
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
        if not isinstance(body, dict):
            raise UnavailableError("Stripe: the answer is no object of theirs")
        return body
