"""What callers are told of subscriptions, payments, refunds, grants by hand and bars."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.facts import DisputeState, PaymentState
from billing.model import FeatureValue
from policies.model import SubscriptionStatus


@dataclass(frozen=True, slots=True)
class ItemView:
    """One line of a subscription; `id` names it in a change.

    `plan` and `version` are None for a price that no plan of ours has. `until_at` is
    when it stops opening doors, None where it opens none.
    """

    id: str
    plan: str | None
    version: int | None
    quantity: int
    period_start: datetime
    period_end: datetime
    until_at: datetime | None


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """A subscription as last read from the provider.

    `cancel_at` is when it ends by itself; `is_verified` False means that it may have
    changed since, `is_settling` that its latest payment is on its way. `until_at` is when
    the last of its items stops opening doors.
    """

    id: str
    client_id: str
    psp_sub_id: str
    status: SubscriptionStatus
    items: tuple[ItemView, ...]
    started_at: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    until_at: datetime | None
    is_verified: bool
    is_settling: bool


class PaymentStatus(StrEnum):
    """How a payment stands. OPEN waits for the client; SETTLING is on its way and may yet fail."""

    OPEN = "open"
    SETTLING = "settling"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A checkout with the payment that it came to, or a renewal's payment.

    `id` is the checkout's where there was one, from its opening on. `plan` is None for a
    price that no plan of ours has; `bought` are all plans that it is for, and how many of
    each. `checkout_url` is there while the checkout is open,
    `subscription_id` once there is a subscription.
    """

    id: str
    client_id: str
    plan: str | None
    quantity: int
    bought: tuple[tuple[str, int], ...]
    amount_minor: int
    currency: str
    status: PaymentStatus
    checkout_url: str | None
    subscription_id: str | None
    refunded_minor: int
    created_at: datetime
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefundView:
    """Money given back. `psp_refund_id` is the provider's name of it."""

    id: str
    payment_id: str
    amount_minor: int
    currency: str
    reason: str
    psp_refund_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ManualGrantView:
    """A grant by hand; `until_at` None is for ever, `ended_at` None was not ended early."""

    id: str
    client_id: str
    app_id: str
    feature: str
    value: FeatureValue
    from_at: datetime
    until_at: datetime | None
    ended_at: datetime | None
    reason: str
    actor: str


class BlockService(StrEnum):
    """Why a client is barred."""

    FRAUD = "fraud"
    DISPUTE = "dispute"
    ADMIN = "admin"
    DUNNING = "dunning"


@dataclass(frozen=True, slots=True)
class BlockView:
    """A bar; `app_id` None bars all apps, `until_at` None holds until it is lifted."""

    id: str
    client_id: str
    app_id: str | None
    service: BlockService
    from_at: datetime
    until_at: datetime | None
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """Some payments, the newest first; `cursor` asks for what follows, None ends the list."""

    payments: tuple[PaymentView, ...]
    cursor: str | None


_OF_CHECKOUT = {
    "open": PaymentStatus.OPEN,
    "completed": PaymentStatus.PAID,
    "expired": PaymentStatus.EXPIRED,
    "failed": PaymentStatus.FAILED,
}
_OF_PAYMENT = {
    PaymentState.DRAFT: PaymentStatus.OPEN,
    PaymentState.OPEN: PaymentStatus.OPEN,
    PaymentState.SETTLING: PaymentStatus.SETTLING,
    PaymentState.PAID: PaymentStatus.PAID,
    PaymentState.FAILED: PaymentStatus.FAILED,
    PaymentState.VOID: PaymentStatus.EXPIRED,
    PaymentState.UNCOLLECTIBLE: PaymentStatus.FAILED,
}
_CONTESTED = frozenset({DisputeState.WARNED, DisputeState.OPEN, DisputeState.LOST})


def status_of(
    checkout: str | None,
    payment: PaymentState | None,
    dispute: DisputeState,
    *,
    amount_minor: int,
    refunded_minor: int,
) -> PaymentStatus:
    """Return how a payment stands, from its checkout's state and its own; either may be None.

    A dispute tells more than a refund, and a refund more than that it was paid.
    """
    if payment is None:
        return _OF_CHECKOUT[checkout or "failed"]
    if dispute in _CONTESTED:
        return PaymentStatus.DISPUTED
    if refunded_minor > 0:
        is_all = refunded_minor >= amount_minor
        return PaymentStatus.REFUNDED if is_all else PaymentStatus.PARTIALLY_REFUNDED
    return _OF_PAYMENT[payment]
