"""What our tables say of one client: what grants are derived from, and nothing else."""

from dataclasses import dataclass
from datetime import datetime

from billing.facts import PauseKind, PaymentLine, PaymentState
from policies.model import SubscriptionStatus


@dataclass(frozen=True, slots=True)
class ItemFact:
    """An item of a subscription, with the last plan that its price was known to buy."""

    psp_item_id: str
    psp_price_id: str
    plan: str | None
    version: int | None
    quantity: int
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class PaymentFact:
    """A payment; `lines` are what an invoice paid for, an order has none."""

    psp_payment_id: str
    state: PaymentState
    amount_minor: int
    created_at: datetime
    paid_at: datetime | None
    taken_back_at: datetime | None
    lines: tuple[PaymentLine, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionFact:
    """A subscription with its items and payments; `psp_payment_id` names the latest."""

    psp_sub_id: str
    status: SubscriptionStatus
    from_at: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    closed_at: datetime | None
    past_due_since: datetime | None
    psp_payment_id: str | None
    items: tuple[ItemFact, ...]
    payments: tuple[PaymentFact, ...]
    pause: PauseKind | None = None


@dataclass(frozen=True, slots=True)
class OrderFact:
    """A plan bought once; with no `psp_payment_id` there was nothing to pay.

    `payment` is None until it was read.
    """

    psp_session_id: str
    plan: str
    version: int
    quantity: int
    completed_at: datetime | None
    psp_payment_id: str | None
    payment: PaymentFact | None


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """All that providers say of one client."""

    subscriptions: tuple[SubscriptionFact, ...] = ()
    orders: tuple[OrderFact, ...] = ()
