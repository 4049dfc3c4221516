"""Money, dates and states as a visitor reads them."""

from datetime import UTC, datetime

from billing.model import Interval, Plan, Subscription
from policies.model import SubscriptionStatus

DEMO_PREFIX = "demo:"
"""What the external ids of the demo sign-in begin with."""

# Currencies that Stripe counts in whole units (Stripe, "Supported currencies", Zero-decimal
# currencies, read 2026-11).
_WITHOUT_MINOR = frozenset(
    {
        *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
        *("pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"),
    }
)
_THREE_DECIMALS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_SIGNS = {"eur": "€", "usd": "$", "gbp": "£", "jpy": "¥"}

_INTERVALS = {
    Interval.MONTH: "a month",
    Interval.YEAR: "a year",
    Interval.ONCE: "once, for good",
}

_RUNNING = frozenset(
    {SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELING}
)

_STATES = {
    SubscriptionStatus.PENDING: "Waiting for the first payment",
    SubscriptionStatus.TRIALING: "On trial",
    SubscriptionStatus.ACTIVE: "Paid",
    SubscriptionStatus.PAST_DUE: "The last payment failed",
    SubscriptionStatus.UNPAID: "Unpaid",
    SubscriptionStatus.PAUSED: "Paused",
    SubscriptionStatus.CANCELING: "Cancelled",
    SubscriptionStatus.ENDED: "Ended",
}


def say_amount(amount_minor: int, currency: str) -> str:
    """Return the amount with its currency, such as `5 €` or `4.99 $`."""
    decimals = 0 if currency in _WITHOUT_MINOR else 3 if currency in _THREE_DECIMALS else 2
    whole, part = divmod(amount_minor, 10**decimals)
    digits = f"{whole}.{part:0{decimals}}" if part else str(whole)
    return f"{digits}\N{NO-BREAK SPACE}{_SIGNS.get(currency, currency.upper())}"


def say_price(plan: Plan) -> str:
    """Return what the plan costs, and how often."""
    return f"{say_amount(plan.amount_minor, plan.currency)} {_INTERVALS[plan.interval]}"


def say_name(external_id: str) -> str:
    """Return the client's name as the visitor gave it."""
    return external_id.removeprefix(DEMO_PREFIX)


def say_instant(at: datetime) -> str:
    """Return the instant in words, in UTC."""
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def say_state(subscription: Subscription) -> str:
    """Return in a sentence how the subscription stands and what it still opens."""
    state = _STATES[subscription.status]
    if subscription.status in _RUNNING and not subscription.is_open:
        if subscription.is_settling:
            return "Your payment is on its way; it opens once that has come"
        return "Opens nothing now: its last payment went back to you, or did not come"
    if subscription.status is SubscriptionStatus.ENDED or subscription.until_at is None:
        return state
    until = say_instant(subscription.cancel_at or subscription.until_at)
    if subscription.status is SubscriptionStatus.CANCELING:
        return f"{state}; stays open until {until}"
    if subscription.status is SubscriptionStatus.PAST_DUE:
        return f"{state}; stays open until {until}, while it is tried again"
    return state


def is_endable(subscription: Subscription) -> bool:
    """Tell whether it runs for nothing, so that its end takes nothing away."""
    is_shut = not (subscription.is_open or subscription.is_settling)
    return subscription.status in _RUNNING and is_shut


def is_cancellable(subscription: Subscription) -> bool:
    """Tell whether there is a renewal that can be stopped."""
    return subscription.status in {
        SubscriptionStatus.TRIALING,
        SubscriptionStatus.ACTIVE,
        SubscriptionStatus.PAST_DUE,
    }


def is_mendable(subscription: Subscription) -> bool:
    """Tell whether the provider's page can make it run again."""
    return subscription.status in {
        SubscriptionStatus.PAST_DUE,
        SubscriptionStatus.UNPAID,
        SubscriptionStatus.PAUSED,
    }
