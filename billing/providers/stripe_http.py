"""The SDK's way to the network: our session, and a connection given back however a call ends."""

from collections.abc import Mapping

import aiohttp
import stripe


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
