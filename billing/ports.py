"""What billing needs of the world: a clock, and a payment provider."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from billing.model import CheckoutOrder, EventRef, ProviderCheckout, ProviderSubscription

Clock = Callable[[], datetime]
"""Returns the present instant, aware and in UTC."""


class Provider(Protocol):
    """A payment provider.

    Every call has a time-out of ours. Each raises `UnavailableError` when the
    provider did not answer or asked for patience, and `ProviderRefusedError` when it
    said no. Only the `fetch_…` calls may give rise to state.
    """

    @property
    def name(self) -> str:
        """Return the provider's short name, the `psp` column of every table."""
        ...

    @property
    def livemode(self) -> bool:
        """Tell whether real money moves."""
        ...

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> EventRef:
        """Return what an authentic webhook body is about.

        Raises:
            BadEventError: the signature does not match, is too old or too far ahead,
                or the body is no event.
        """
        ...

    async def create_checkout(self, order: CheckoutOrder) -> ProviderCheckout:
        """Open a hosted checkout; on repeat with the same key, return the first one."""
        ...

    async def fetch_checkout(self, psp_session_id: str) -> ProviderCheckout:
        """Return the checkout as it is now."""
        ...

    async def fetch_subscription(self, psp_sub_id: str) -> ProviderSubscription:
        """Return the subscription as it is now."""
        ...

    async def cancel_at_period_end(self, psp_sub_id: str) -> None:
        """Stop renewing; what is paid stays paid until its period ends."""
        ...

    async def resume(self, psp_sub_id: str) -> None:
        """Take back a cancellation at period end."""
        ...


class Changed(Protocol):
    """Told after a commit that a client's facts are now at `version`."""

    async def __call__(self, client_id: str, version: int) -> None:
        """Drop older snapshots of the client from every cache within reach."""
        ...
