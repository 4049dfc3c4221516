"""The words of billing: plans, causes, and what a client sees of its subscriptions.

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

    `grace_days` is how long a subscription whose renewal failed goes on opening doors,
    `trial_days` how long a client's first one opens them before anything is paid.
    `max_quantity` is how many of it one subscription may have.
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
    trial_days: int = 0
    max_quantity: int = 1

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
    request_id: str | None = None


class CheckoutState(StrEnum):
    """Where a hosted checkout stands at the provider.

    SETTLING is completed but not yet paid; FAILED was completed, and the money did not come.
    """

    OPEN = "open"
    SETTLING = "settling"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as its client sees it. `until_at` is when it stops opening doors.

    `is_open` tells whether it opens any now, `is_settling` that its latest payment is on
    its way.
    """

    id: str
    psp_sub_id: str
    status: SubscriptionStatus
    plan_names: tuple[str, ...]
    plan_ids: tuple[str, ...]
    until_at: datetime | None
    cancel_at: datetime | None
    is_open: bool
    is_settling: bool


@dataclass(frozen=True, slots=True)
class Hosted:
    """The visitor pays at `url`. `id` is our own name of the checkout."""

    url: str
    id: str


class Remedy(StrEnum):
    """What a client who holds a plan already can do to have what it asked for.

    NOTHING: it has it. MEND: its payment failed or rests; the provider's portal mends it.
    RESUME: it is cancelled and still runs; resuming keeps it. CHANGE: it pays for a part
    of it; changing that subscription gives the rest for the difference. END: it runs and
    opens nothing, since its money went back or did not come; once it was ended, the plan is
    sold anew.
    """

    NOTHING = "nothing"
    MEND = "mend"
    RESUME = "resume"
    CHANGE = "change"
    END = "end"


@dataclass(frozen=True, slots=True)
class AlreadyHeld:
    """The client pays for this plan, or for a part of it, already; it is not sold again.

    `subscription_id` is what the remedy is about; None where the plan was bought for ever.
    """

    plan: Plan
    remedy: Remedy = Remedy.NOTHING
    subscription_id: str | None = None


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
