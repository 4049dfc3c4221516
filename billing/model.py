"""The words of billing: plans, and what a provider says of subscriptions and checkouts.

Money is an integer of minor units with its currency in lower case; instants are
aware UTC datetimes.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policies.model import SubscriptionStatus

FeatureValue = bool | int | str


class Interval(StrEnum):
    """How often a plan is paid; ONCE is paid once and never ends."""

    MONTH = "month"
    YEAR = "year"
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class PlanFeature:
    """What a plan gives of one app."""

    app_id: str
    feature: str
    value: FeatureValue


@dataclass(frozen=True, slots=True)
class Plan:
    """One immutable version of something a client can buy.

    `grace_days` is how long a subscription whose renewal failed goes on opening doors.
    """

    id: str
    version: int
    name: str
    description: str
    amount_minor: int
    currency: str
    interval: Interval
    psp_price_id: str
    grace_days: int
    features: tuple[PlanFeature, ...]

    def unlocks(self, app_id: str, feature: str) -> bool:
        """Tell whether the plan gives the feature of the app."""
        return any(
            f.app_id == app_id and f.feature == feature and f.value is not False
            for f in self.features
        )


class Source(StrEnum):
    """On whose word a subscription was read again."""

    WEBHOOK = "webhook"
    RETURN = "return"
    RECONCILE = "reconcile"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a change is made; written into the audit log."""

    source: Source
    actor: str
    inbox_id: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderItem:
    """One line of a provider's subscription; periods may differ between items."""

    psp_item_id: str
    psp_price_id: str
    quantity: int
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class ProviderPayment:
    """Money that the provider took, or tried to take."""

    psp_payment_id: str
    kind: str
    amount_minor: int
    currency: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ProviderSubscription:
    """The current object of a provider, in our words; made only by `Provider.fetch_…`.

    `status` None means a word of the provider that we do not know: the last decision
    is kept. `client_ref` is the client id that our own checkout wrote on it, if any.
    """

    psp_sub_id: str
    psp_customer_id: str
    livemode: bool
    raw_status: str
    status: SubscriptionStatus | None
    started_at: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    items: tuple[ProviderItem, ...]
    client_ref: str | None
    payment: ProviderPayment | None
    raw: str


class CheckoutState(StrEnum):
    """Where a hosted checkout stands at the provider."""

    OPEN = "open"
    SETTLING = "settling"
    PAID = "paid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ProviderCheckout:
    """A hosted checkout as its provider sees it now; SETTLING is completed but not yet paid."""

    psp_session_id: str
    livemode: bool
    state: CheckoutState
    url: str | None
    client_ref: str | None
    psp_customer_id: str | None
    psp_sub_id: str | None
    psp_price_ids: tuple[str, ...]
    payment: ProviderPayment | None


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What we ask a provider to sell; the same `idempotency_key` never sells twice."""

    client_id: str
    plan: Plan
    success_url: str
    cancel_url: str
    idempotency_key: str
    psp_customer_id: str | None


class ObjectKind(StrEnum):
    """What an event is about; only these are read again."""

    SUBSCRIPTION = "subscription"
    CHECKOUT = "checkout"


@dataclass(frozen=True, slots=True)
class EventRef:
    """A verified event: a hint that an object changed, never the change itself."""

    external_id: str
    type: str
    object_kind: ObjectKind | None
    object_id: str | None
    livemode: bool
    api_version: str | None
    occurred_at: datetime

    @property
    def object_ref(self) -> str | None:
        """Return `kind:id`, the form kept in the inbox, or None."""
        return f"{self.object_kind}:{self.object_id}" if self.object_kind else None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as its client sees it. `until_at` is when it stops opening doors."""

    id: str
    psp_sub_id: str
    status: SubscriptionStatus
    plan_names: tuple[str, ...]
    plan_ids: tuple[str, ...]
    until_at: datetime | None
    cancel_at: datetime | None


@dataclass(frozen=True, slots=True)
class Hosted:
    """The visitor pays at `url`."""

    url: str


@dataclass(frozen=True, slots=True)
class AlreadyHeld:
    """The client has this plan; nothing is to be paid."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Settling:
    """The client has ordered this plan, and the money is on its way."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Returned:
    """What came of a visit to the provider, and the page first asked for.

    `state` PAID: the door is open now. SETTLING: the money is on its way. OPEN: the
    visitor came back without paying. `client_id` is who opened the checkout; `target`
    is a path of `host`, as the gateway itself received it.
    """

    state: CheckoutState
    client_id: str
    host: str
    target: str
