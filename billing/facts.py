"""What a provider says, in our words: the facts, made only by `Provider.fetch_…`.

Facts are overwritten by later facts and by nothing else. What a client may use is
derived from them (`billing/derive.py`), never told by a provider.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.model import CheckoutState, Plan
from policies.model import SubscriptionStatus


class ObjectKind(StrEnum):
    """What an event can be about; only these are read again."""

    SUBSCRIPTION = "subscription"
    CHECKOUT = "checkout"
    PAYMENT = "payment"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object of a provider.

    The id of a PAYMENT may be that of anything that leads to it (an invoice, a payment
    intent, a charge, a refund, a dispute, a fraud warning): `Provider.resolve_payment`
    finds the payment's own.
    """

    kind: ObjectKind
    id: str

    def __str__(self) -> str:
        """Return `kind:id`, the form kept in the inbox."""
        return f"{self.kind}:{self.id}"


def parse_ref(text: str | None) -> ObjectRef | None:
    """Return the reference that `str` made; None for None."""
    if text is None:
        return None
    kind, _, object_id = text.partition(":")
    return ObjectRef(ObjectKind(kind), object_id)


@dataclass(frozen=True, slots=True)
class EventRef:
    """A verified event: a hint that an object changed, never the change itself.

    `ref` None is about nothing that we read. `twin` is the id of the other form of the
    same event, where a provider sends both (Stripe's thin and snapshot events).
    """

    external_id: str
    type: str
    ref: ObjectRef | None
    livemode: bool
    api_version: str | None
    occurred_at: datetime
    twin: str | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in the order of their making; `cursor` continues after the last of them."""

    events: tuple[EventRef, ...]
    cursor: str | None
    has_more: bool


class PauseKind(StrEnum):
    """How a subscription rests: STATUS collects nothing and says so, the others stay "active"."""

    STATUS = "status"
    VOID = "void"
    KEEP_AS_DRAFT = "keep_as_draft"
    MARK_UNCOLLECTIBLE = "mark_uncollectible"


@dataclass(frozen=True, slots=True)
class ProviderItem:
    """One line of a provider's subscription; periods may differ between items."""

    psp_item_id: str
    psp_price_id: str
    quantity: int
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class ProviderSubscription:
    """A subscription as its provider sees it now.

    `status` None means a word of the provider that we do not know: the last decision
    is kept. `client_ref` is the client id that our own checkout wrote on it, if any, and
    `site` the gateway whose checkout it was. `psp_payment_id` names its latest payment.
    `raw` is the provider's own text, without who the payer is.
    """

    psp_sub_id: str
    psp_customer_id: str
    livemode: bool
    raw_status: str
    status: SubscriptionStatus | None
    pause: PauseKind | None
    started_at: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    items: tuple[ProviderItem, ...]
    client_ref: str | None
    psp_payment_id: str | None
    raw: str
    site: str | None = None


class PaymentKind(StrEnum):
    """INVOICE is a subscription's, ORDER pays once for ever."""

    INVOICE = "invoice"
    ORDER = "order"


class PaymentState(StrEnum):
    """Where the money is.

    DRAFT is not asked for yet, and may never be; OPEN is; SETTLING is on its way and may yet
    fail; PAID came, whatever was given back later; FAILED, VOID and UNCOLLECTIBLE did not come.
    """

    DRAFT = "draft"
    OPEN = "open"
    SETTLING = "settling"
    PAID = "paid"
    FAILED = "failed"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class DisputeState(StrEnum):
    """Whether the payer's bank wants the money back; WARNED is an early fraud warning."""

    NONE = "none"
    WARNED = "warned"
    OPEN = "open"
    LOST = "lost"
    WON = "won"


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """What a payment paid for: an item's period. A proration changes an item within its period."""

    psp_item_id: str
    psp_price_id: str | None
    amount_minor: int
    period_start: datetime
    period_end: datetime
    is_proration: bool


@dataclass(frozen=True, slots=True)
class ProviderPayment:
    """A payment as its provider sees it now.

    `psp_payment_id` is an invoice's id, or for an ORDER that of the payment intent.
    `taken_back_at` is when the money was last taken back as a whole, by full refund or by
    dispute; None while we have it. `paid_at` is None until it is PAID.
    """

    psp_payment_id: str
    kind: PaymentKind
    livemode: bool
    psp_customer_id: str | None
    psp_sub_id: str | None
    psp_intent_id: str | None
    amount_minor: int
    currency: str
    state: PaymentState
    refunded_minor: int
    dispute: DisputeState
    taken_back_at: datetime | None
    lines: tuple[PaymentLine, ...]
    created_at: datetime
    paid_at: datetime | None
    client_ref: str | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderCheckout:
    """A hosted checkout as its provider sees it now."""

    psp_session_id: str
    livemode: bool
    state: CheckoutState
    url: str | None
    client_ref: str | None
    psp_customer_id: str | None
    psp_sub_id: str | None
    psp_payment_id: str | None
    psp_price_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProviderCustomer:
    """A customer as its provider sees it now; nobody can pay as one that was deleted."""

    psp_customer_id: str
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What we ask a provider to sell; the same `idempotency_key` never sells twice.

    `trial_days` 0 is none. `email` is a hint for the provider's form.
    """

    client_id: str
    plan: Plan
    quantity: int
    trial_days: int
    success_url: str
    cancel_url: str
    idempotency_key: str
    psp_customer_id: str | None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """What shall be different about an item of a subscription; None leaves it as it is.

    With `is_upgrade` the change holds only once its difference is paid; otherwise it
    holds at once, and what was paid too much is credited.
    """

    psp_item_id: str
    psp_price_id: str | None
    quantity: int | None
    is_upgrade: bool
