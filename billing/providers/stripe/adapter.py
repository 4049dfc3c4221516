"""One Stripe account in one mode: what it says and what we ask of it, over the same calls."""

import stripe

from billing.metrics import NO_METER, Meter
from billing.providers.stripe.commands import StripeCommands
from billing.providers.stripe.http import COOLDOWN_S, StripeCalls
from billing.providers.stripe.reader import StripeReader
from billing.providers.stripe.signing import WebhookSecrets


class Stripe(StripeReader, StripeCommands):
    """A payment provider. Construct inside a running loop; `close` at the end.

    After failures in a row it is left alone for `cooldown_s` seconds at a time.
    """

    name = "stripe"
    api_version: str = stripe.api_version

    def __init__(
        self,
        *,
        api_url: str,
        secret_key: str,
        webhook_secrets: tuple[str, ...],
        livemode: bool,
        timeout_s: float,
        retries: int,
        site: str | None = None,
        cooldown_s: float = COOLDOWN_S,
        meter: Meter = NO_METER,
    ) -> None:
        self.livemode = livemode
        calls = StripeCalls(
            api_url=api_url,
            secret_key=secret_key,
            timeout_s=timeout_s,
            retries=retries,
            cooldown_s=cooldown_s,
            meter=meter,
        )
        StripeReader.__init__(self, calls, WebhookSecrets(webhook_secrets))
        StripeCommands.__init__(self, calls, site)

    async def close(self) -> None:
        """Close the connections to Stripe."""
        await self._calls.close()
