"""What billing needs of the world: a clock, and a payment provider."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from billing.facts import (
    CheckoutOrder,
    EventPage,
    EventRef,
    ProviderCheckout,
    ProviderCustomer,
    ProviderPayment,
    ProviderSubscription,
    SubscriptionChange,
)

Clock = Callable[[], datetime]
"""Returns the present instant, aware and in UTC."""


class ProviderReader(Protocol):
    """What a provider says. Only the `fetch_…` calls may give rise to state.

    Every call has a time-out of ours. Each raises `UnavailableError` when the provider
    did not answer or asked for patience, `NoSuchObjectError` when it knows no such
    object, and `ProviderRefusedError` when it said no or what it said cannot be read.
    """

    @property
    def name(self) -> str:
        """Return the provider's short name, the `psp` column of every table."""
        ...

    @property
    def livemode(self) -> bool:
        """Tell whether real money moves."""
        ...

    @property
    def api_version(self) -> str | None:
        """Return the version in which we speak to it; None where it has none."""
        ...

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> EventRef:
        """Return what an authentic webhook body is about.

        Raises:
            BadEventError: the signature does not match, is too old or too far ahead,
                or the body is no event.
        """
        ...

    def read_snapshot(self, body: bytes) -> ProviderSubscription | None:
        """Return the subscription inside a verified body, as it was; None if it has none."""
        ...

    async def fetch_checkout(self, psp_session_id: str) -> ProviderCheckout:
        """Return the checkout as it is now."""
        ...

    async def fetch_subscription(self, psp_sub_id: str) -> ProviderSubscription:
        """Return the subscription as it is now."""
        ...

    async def resolve_payment(self, any_id: str) -> str:
        """Return the payment's own id for whatever leads to it; it never changes."""
        ...

    async def fetch_payment(self, psp_payment_id: str, *, thorough: bool) -> ProviderPayment:
        """Return the payment as it is now, with what was refunded and disputed.

        What the payment itself does not point at (an early fraud warning) is looked for
        only when `thorough`: it costs another call.
        """
        ...

    async def fetch_customer(self, psp_customer_id: str) -> ProviderCustomer:
        """Return the customer as it is now, a deleted one too."""
        ...

    async def list_payments(self, psp_sub_id: str) -> tuple[str, ...]:
        """Return the ids of the subscription's payments, the newest first, at most 100."""
        ...

    async def list_subscriptions(self, psp_customer_id: str) -> tuple[str, ...]:
        """Return the ids of all the customer's subscriptions, ended ones too, at most 100."""
        ...

    async def list_events(self, cursor: str | None, since: datetime) -> EventPage:
        """Return the events after the cursor, or those since the instant, in their order."""
        ...


class ProviderSeller(Protocol):
    """What we ask of a provider. A repeat with the same `key` changes nothing.

    Raises what `ProviderReader` raises.
    """

    async def create_checkout(self, order: CheckoutOrder) -> ProviderCheckout:
        """Open a hosted checkout; on repeat with the same key, return the first one."""
        ...

    async def expire_checkout(self, psp_session_id: str) -> None:
        """Close an open checkout, so that nobody can pay on it any more."""
        ...

    async def change_subscription(
        self, psp_sub_id: str, change: SubscriptionChange, *, key: str
    ) -> None:
        """Change an item's price or quantity.

        Raises:
            PaymentNeededError: the difference could not be paid; nothing was changed.
        """
        ...

    async def cancel_at_period_end(self, psp_sub_id: str, *, key: str) -> None:
        """Stop renewing; what is paid stays paid until its period ends."""
        ...

    async def cancel_now(self, psp_sub_id: str, *, key: str) -> None:
        """End the subscription at once."""
        ...

    async def resume(self, psp_sub_id: str, *, key: str) -> None:
        """Take back a cancellation at period end."""
        ...

    async def refund(self, psp_intent_id: str, amount_minor: int | None, *, key: str) -> str:
        """Give money back, all that is left where no amount is said; return the refund's id."""
        ...

    async def open_portal(self, psp_customer_id: str, return_url: str) -> str:
        """Return the URL of a page where the customer manages what it pays for."""
        ...


class Provider(ProviderReader, ProviderSeller, Protocol):
    """A payment provider."""


class Changed(Protocol):
    """Told after a commit that a client's facts are now at `version`."""

    async def __call__(self, client_id: str, version: int) -> None:
        """Drop older snapshots of the client from every cache within reach."""
        ...
