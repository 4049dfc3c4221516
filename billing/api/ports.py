"""What the API needs of billing: who calls, what is sold, and what is known of clients.

The contracts stand with those who keep them (`billing/oauth`, `billing/selling`); these are
the parts of them that the API uses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aiohttp import web

from billing.model import AlreadyHeld, Cause, FeatureValue, Hosted, Plan, Settling
from billing.views import (
    BlockService,
    BlockView,
    ManualGrantView,
    PaymentPage,
    PaymentView,
    RefundView,
    SubscriptionView,
)
from policies.model import Snapshot, Unknown
from policies.permission import Caller


class Door(Protocol):
    """Lets callers in."""

    async def authenticate(self, request: web.Request) -> Caller:
        """Return who calls; raises `AccessError`."""
        ...

    async def permit(
        self,
        caller: Caller,
        action: str,
        *,
        client_id: str | None = None,
        app_id: str | None = None,
        request_id: str | None = None,
    ) -> None:
        """Return if the caller may, else record it and raise `AccessError`."""
        ...


class Seller(Protocol):
    """Opens checkouts."""

    async def begin(
        self,
        client_id: str,
        plan_id: str,
        *,
        return_host: str,
        return_to: str,
        quantity: int = 1,
        key: str | None = None,
    ) -> Hosted | AlreadyHeld | Settling:
        """Open the plan's checkout, or find the one that is open already."""
        ...


class Payments(Protocol):
    """Tells of payments."""

    async def find_payment(self, payment_id: str) -> PaymentView | None:
        """Return the payment, whosever it is."""
        ...

    async def list_payments(
        self,
        *,
        client_id: str | None = None,
        app_id: str | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> PaymentPage:
        """Return payments, the newest first; `NotFoundError` for a cursor that is none."""
        ...


class Refunds(Protocol):
    """Gives money back."""

    async def refund(
        self,
        payment_id: str,
        amount_minor: int | None,
        reason: str,
        cause: Cause,
        key: str | None = None,
    ) -> RefundView:
        """Give back the amount, or all that is left where it is None."""
        ...


class Changes(Protocol):
    """Tells of subscriptions, and changes them."""

    async def list_views(
        self, client_id: str, app_id: str | None = None
    ) -> tuple[SubscriptionView, ...]:
        """Return the client's subscriptions; with `app_id` those that give it."""
        ...

    async def find_view(self, subscription_id: str) -> SubscriptionView | None:
        """Return the subscription, whosever it is."""
        ...

    async def change(
        self,
        client_id: str,
        subscription_id: str,
        *,
        plan_id: str | None = None,
        quantity: int | None = None,
        item: str | None = None,
        cause: Cause,
        key: str | None = None,
    ) -> SubscriptionView:
        """Change an item's plan, quantity or both."""
        ...

    async def cancel(
        self,
        client_id: str,
        subscription_id: str,
        *,
        at_period_end: bool,
        cause: Cause,
        key: str | None = None,
    ) -> SubscriptionView:
        """End the subscription now, or let it end with what is paid."""
        ...

    async def resume(
        self, client_id: str, subscription_id: str, *, cause: Cause, key: str | None = None
    ) -> SubscriptionView:
        """Take back a cancellation at period end."""
        ...


class Portal(Protocol):
    """Opens the provider's page for a client."""

    async def open(self, client_id: str, return_url: str) -> str:
        """Return the page's URL; `NotFoundError` for who never paid."""
        ...


class Grants(Protocol):
    """Gives access by hand."""

    async def give(
        self,
        client_id: str,
        app_id: str,
        feature: str,
        value: FeatureValue,
        *,
        from_at: datetime | None,
        until_at: datetime | None,
        reason: str,
        cause: Cause,
        key: str,
    ) -> ManualGrantView:
        """Give the feature from one instant, or from now, until another; once under a key."""
        ...

    async def end(self, grant_id: str, reason: str, cause: Cause) -> ManualGrantView:
        """End the grant now."""
        ...

    async def find(self, grant_id: str) -> ManualGrantView | None:
        """Return the grant by hand."""
        ...

    async def list(self, client_id: str) -> tuple[ManualGrantView, ...]:
        """Return the client's grants by hand."""
        ...


class Blocks(Protocol):
    """Bars clients."""

    async def lay(
        self,
        client_id: str,
        app_id: str | None,
        service: BlockService,
        *,
        from_at: datetime | None,
        until_at: datetime | None,
        reason: str,
        cause: Cause,
        key: str,
    ) -> BlockView:
        """Bar the client from the app, or from all; once under a key."""
        ...

    async def lift(self, block_id: str, reason: str, cause: Cause) -> BlockView:
        """End the bar now."""
        ...

    async def find(self, block_id: str) -> BlockView | None:
        """Return the bar."""
        ...

    async def list(self, client_id: str) -> tuple[BlockView, ...]:
        """Return the client's bars."""
        ...


class Plans(Protocol):
    """What is for sale, and what ever was."""

    @property
    def for_sale(self) -> tuple[Plan, ...]:
        """Return the plans on sale, in the operator's order."""
        ...

    def get(self, plan_id: str) -> Plan:
        """Return the plan on sale; `UnknownPlanError` if there is none."""
        ...

    def versions(self, plan_id: str) -> tuple[Plan, ...]:
        """Return every version of the plan, whether it is still on sale or not."""
        ...


class Facts(Protocol):
    """What is known of what clients may use."""

    async def read_truth(self, client_id: str) -> Snapshot | Unknown:
        """Return the client's facts as they are now, whatever caches hold."""
        ...


@dataclass(frozen=True, slots=True)
class Decided:
    """What the gate would say about one feature of one app."""

    outcome: str
    reason: str
    plan: str | None
    status: str | None
    features: Mapping[str, FeatureValue]
    valid_until: datetime | None


class Decide(Protocol):
    """Decides as the gate does (`policies/engine.py`)."""

    def __call__(self, facts: Snapshot, app_id: str, feature: str, now: datetime) -> Decided:
        """Return what is decided on the facts at the instant."""
        ...
