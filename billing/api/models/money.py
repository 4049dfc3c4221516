"""Payments, refunds and subscriptions."""

from typing import Literal

from pydantic import Field

from billing.api.models.shapes import (
    AmountMinor,
    ConfiguredName,
    Flag,
    Id,
    Input,
    Instant,
    Line,
    Output,
    Page,
    PageQuery,
    Quantity,
    Query,
    Reason,
    ReturnUrl,
)


class StartPayment(Input):
    """Somebody who shall pay for a plan."""

    client_id: Id
    plan: ConfiguredName
    quantity: Quantity = 1
    return_url: ReturnUrl | None = None


PaymentStatus = Literal[
    "open",
    "settling",
    "paid",
    "failed",
    "expired",
    "partially_refunded",
    "refunded",
    "disputed",
]


class Payment(Output):
    """A payment, or the wish to make one. While it is `open`, `checkout_url` takes the money."""

    id: Id
    client_id: Id
    plan: str | None = Field(description="Null where no plan has the provider's price.")
    quantity: int
    amount_minor: int = Field(
        description="Of the whole payment, whatever else a bill of several plans was for."
    )
    currency: str = Field(description="ISO 4217, in small letters.")
    status: PaymentStatus
    refunded_minor: int
    checkout_url: str | None
    subscription_id: Id | None
    created_at: Instant
    paid_at: Instant | None


class PaymentPage(Page):
    """Payments, the newest first."""

    items: list[Payment]


class PaymentQuery(PageQuery):
    """Whose payments; an app that names nobody gets its own clients'."""

    client_id: Id | None = None


class GiveBack(Input):
    """How much of a payment goes back; left out, all that is left of it."""

    amount_minor: AmountMinor | None = None
    reason: Reason


class Refund(Output):
    """Money on its way back."""

    id: Id
    payment_id: Id
    amount_minor: int
    currency: str
    reason: str
    created_at: Instant


class SaveSubscription(Input):
    """A subscription to begin (`plan`), or what shall be different about one.

    Without `subscription_id` and with `plan`, a new one begins. Without both, the client's
    only live subscription is meant. One call changes one thing: plan and quantity together,
    or the cancellation.
    """

    client_id: Id
    subscription_id: Id | None = None
    item: Line | None = Field(
        default=None, description="Which of the subscription's items, where it has several."
    )
    plan: ConfiguredName | None = None
    quantity: Quantity | None = None
    cancel_at_period_end: bool | None = Field(
        default=None, description="True cancels when the paid period ends; false takes that back."
    )
    return_url: ReturnUrl | None = None


class SubscriptionItem(Output):
    """One line of a subscription; periods may differ between lines."""

    id: str | None = Field(description="Names it in a change; null until it is paid for.")
    plan: str | None = Field(description="Null where no plan has the provider's price.")
    version: int | None
    quantity: int
    period_start: Instant | None
    period_end: Instant | None
    until_at: Instant | None = Field(description="Until when it opens doors as things are now.")


SubscriptionStatus = Literal[
    "pending", "trialing", "active", "past_due", "unpaid", "paused", "canceling", "ended"
]


class Subscription(Output):
    """A subscription. A `pending` one begins when somebody pays at `checkout_url`."""

    id: Id | None = Field(description="Null until it is paid for.")
    client_id: Id
    status: SubscriptionStatus
    items: list[SubscriptionItem]
    shared: bool = Field(
        description="There are items of other apps' plans besides, which an app neither sees"
        " nor changes: it cannot change or end the subscription. False for other callers."
    )
    started_at: Instant | None
    cancel_at: Instant | None
    ended_at: Instant | None
    payment_id: Id | None = Field(description="What it waits for while it is pending.")
    checkout_url: str | None


class SubscriptionList(Output):
    """All subscriptions of a client, the newest first."""

    items: list[Subscription]


class EndQuery(Query):
    """When a subscription ends."""

    at_period_end: Flag = Field(
        default=True, description="False ends it at once; nothing is paid back by that."
    )
