"""Until when a subscription's item opens doors: one total, pure function.

trialing   trial end + slack
active     period end + slack (Stripe settles a renewal's invoice about an hour
           after the period has ended; the slack bridges that hour)
canceling  cancel date; where a period ends before that and is to be renewed once more,
           its end + slack
past_due   past due since + the plan's grace; NOT the period end, which the
           provider has already moved on to the month that is not paid
pending    nothing
unpaid     the moment we learned of it
paused, ended
           the moment we learned of it, or the provider's end if that is earlier;
           while no more than collecting rests, never before the end of what is paid

Nothing outlasts the date at which the subscription is to be cancelled, save what is paid
while something else is owed.

What the item's own money says comes on top of that:
never paid, first payment awaited    nothing: a debit that settles later opens nothing now,
                                     whatever the subscription is called meanwhile
past_due, unpaid                     never before the end of what is paid: an item that
                                     nobody pays for does not shorten its neighbour
taken back, as a whole               not after that moment
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.model import SubscriptionStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subscription stands, with the instants that we noted about it ourselves.

    `closed_at` is when it was first seen to give nothing, `past_due_since` when its
    unpaid payment was asked for; each is set while its status holds. `keeps_paid` tells
    of a paused one that nothing is given back for: it rests from its next bill on.
    """

    status: SubscriptionStatus
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    closed_at: datetime | None
    past_due_since: datetime | None
    keeps_paid: bool = False


@dataclass(frozen=True, slots=True)
class ItemMoney:
    """What was paid for one item.

    `paid_through` is the end of the last period paid for with money that we still have,
    None if there is none. `is_awaited` tells that nothing ever came for the item, and
    that its first payment is still out. `taken_back_at` is set while the last money that
    came for it is gone again.
    """

    paid_through: datetime | None = None
    is_awaited: bool = False
    taken_back_at: datetime | None = None


CLOSED = frozenset({SubscriptionStatus.PAUSED, SubscriptionStatus.UNPAID, SubscriptionStatus.ENDED})

# In these the provider has let time pass that nobody paid for: what is paid still counts.
_OWING = frozenset({SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID})
# In these the provider trusts that the first payment comes; we wait for it.
_TRUSTING = frozenset(
    {SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELING, SubscriptionStatus.PAST_DUE}
)


def entitled_until(
    standing: Standing,
    money: ItemMoney,
    period_end: datetime,
    *,
    from_at: datetime,
    slack: timedelta,
    grace: timedelta,
) -> datetime:
    """Return the instant at which the item stops opening doors; never before `from_at`."""
    if money.is_awaited and standing.status in _TRUSTING:
        return from_at
    until = _by_status(standing, period_end, from_at, slack, grace)
    if standing.keeps_paid and money.paid_through is not None:
        until = max(until, money.paid_through)
    if standing.cancel_at is not None:
        # A trial or a grace that is cut short has no renewal to wait for.
        until = min(until, standing.cancel_at)
    if standing.status in _OWING and money.paid_through is not None:
        until = max(until, money.paid_through)
    if money.taken_back_at is not None:
        until = min(until, money.taken_back_at)
    return max(until, from_at)


def _by_status(
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
            is_renewed = standing.cancel_at is not None and standing.cancel_at > period_end
            return period_end + slack if is_renewed else period_end
        case SubscriptionStatus.PAST_DUE:
            return (standing.past_due_since or from_at) + grace
        case SubscriptionStatus.PENDING:
            return from_at
        case _:
            ends = [t for t in (standing.ended_at, standing.closed_at) if t is not None]
            return min(ends, default=from_at)
