"""From the provider's current object to our row of it: pure, and the same for every path.

A webhook, the return page, an operator's resync and the reconciler all come through
here, so that they cannot disagree.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from billing.entitled_until import CLOSED
from billing.facts import PauseKind, ProviderPayment, ProviderSubscription
from billing.model import Cause
from policies.model import SubscriptionStatus


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at an object: its number among all looks, when, and why.

    `as_of` is the instant of which it tells: that of the call, or of a snapshot's event.
    """

    seq: int
    at: datetime
    as_of: datetime
    cause: Cause
    is_snapshot: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What our row said of the subscription before this observation."""

    status: SubscriptionStatus
    from_at: datetime
    closed_at: datetime | None
    past_due_since: datetime | None


@dataclass(frozen=True, slots=True)
class Observed:
    """The subscription's row after an observation. `verified` False asks for another look."""

    status: SubscriptionStatus
    from_at: datetime
    closed_at: datetime | None
    past_due_since: datetime | None
    verified: bool


# What a pause of collection lies over; anything else is told by the status itself.
_PAUSABLE = frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELING})

# The order of a life: of two snapshots of one second the later in life is the newer
# (webhooks say "created, incomplete" and "updated, active" within a millisecond).
_LIFE = (
    SubscriptionStatus.PENDING,
    SubscriptionStatus.TRIALING,
    SubscriptionStatus.ACTIVE,
    SubscriptionStatus.PAST_DUE,
    SubscriptionStatus.PAUSED,
    SubscriptionStatus.CANCELING,
    SubscriptionStatus.UNPAID,
    SubscriptionStatus.ENDED,
)


def observe(
    subscription: ProviderSubscription,
    known: Known | None,
    sighting: Sighting,
    open_pauses: frozenset[PauseKind],
) -> Observed:
    """Place the current object in our state machine.

    A status that we do not know keeps the last one and is marked unverified: never a
    crash, and never a denial. Access begins no later than we saw it paid, whatever
    the provider's clock says. A subscription that rests in one of `open_pauses` goes on
    opening doors.
    """
    status = subscription.status or (known.status if known else SubscriptionStatus.PENDING)
    # Stripe leaves the status `active` while collection is paused and invoices are
    # voided: nobody pays, so nobody passes (pay-rails/pay#659).
    is_resting = subscription.pause is not None and subscription.pause not in open_pauses
    if is_resting and status in _PAUSABLE:
        status = SubscriptionStatus.PAUSED
    return Observed(
        status=status,
        from_at=min(subscription.started_at, known.from_at if known else sighting.at),
        closed_at=_since(status in CLOSED, known.closed_at if known else None, sighting.at),
        past_due_since=_since(
            status is SubscriptionStatus.PAST_DUE,
            known.past_due_since if known else None,
            sighting.at,
        ),
        verified=subscription.status is not None and not sighting.is_snapshot,
    )


def is_newer(
    as_of: datetime, status: SubscriptionStatus | None, than: tuple[datetime, SubscriptionStatus]
) -> bool:
    """Tell whether a snapshot tells of a later moment of a subscription's life than our row."""
    known_at, known_status = than
    rank = _LIFE.index(status) if status else -1
    return (as_of, rank) > (known_at, _LIFE.index(known_status))


def observe_payment(
    payment: ProviderPayment, known_paid_at: datetime | None, sighting: Sighting
) -> ProviderPayment:
    """Return the payment as our row shall tell it: paid no later than we first saw it paid."""
    if payment.paid_at is None:
        return payment
    return replace(payment, paid_at=min(payment.paid_at, known_paid_at or sighting.at))


def _since(holds: bool, known: datetime | None, observed_at: datetime) -> datetime | None:  # noqa: FBT001 - one predicate, named at each call
    return (known or observed_at) if holds else None
