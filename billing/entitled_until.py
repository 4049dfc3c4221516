"""Until when a subscription's item opens doors: one total, pure function.

trialing   trial end + slack
active     period end + slack (Stripe settles a renewal's invoice about an hour
           after the period has ended; the slack bridges that hour)
canceling  the earlier of cancel date and period end
past_due   first seen past due + the plan's grace; NOT the period end, which the
           provider has already moved on to the month that is not paid
pending    nothing
paused, unpaid, ended
           the moment we learned of it, or the provider's end if that is earlier
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.model import SubscriptionStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subscription stands, with the instants that we noted about it ourselves.

    `closed_at` is when it was first seen to give nothing, `past_due_since` when it was
    first seen past due; each is set while its status holds.
    """

    status: SubscriptionStatus
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    closed_at: datetime | None
    past_due_since: datetime | None


CLOSED = frozenset({SubscriptionStatus.PAUSED, SubscriptionStatus.UNPAID, SubscriptionStatus.ENDED})


def entitled_until(
    standing: Standing,
    period_end: datetime,
    *,
    from_at: datetime,
    slack: timedelta,
    grace: timedelta,
) -> datetime:
    """Return the instant at which the item stops opening doors; never before `from_at`."""
    until = _until(standing, period_end, from_at, slack, grace)
    return max(until, from_at)


def _until(
    standing: Standing,
    period_end: datetime,
    from_at: datetime,
    slack: timedelta,
    grace: timedelta,
) -> datetime:
    match standing.status:
        case SubscriptionStatus.TRIALING:
            return (standing.trial_end or period_end) + slack
        case SubscriptionStatus.ACTIVE:
            return period_end + slack
        case SubscriptionStatus.CANCELING:
            return min(standing.cancel_at or period_end, period_end)
        case SubscriptionStatus.PAST_DUE:
            return (standing.past_due_since or from_at) + grace
        case SubscriptionStatus.PENDING:
            return from_at
        case _:
            ends = [t for t in (standing.ended_at, standing.closed_at) if t is not None]
            return min(ends, default=from_at)
