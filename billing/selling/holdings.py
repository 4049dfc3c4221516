"""What a client has already, and what that means for a purchase.

Selling what a client pays for already is the commonest way to take money twice. So a
plan is not sold when something that the client has gives all that the plan would give,
nor when the plan gives all that a running subscription does: that one is changed. What is
paid once is owned, which no subscription gives: it is sold to subscribers too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from billing.derive import Plans
from billing.facts import ObjectKind, ObjectRef
from billing.model import AlreadyHeld, FeatureValue, Interval, Plan, Remedy, Settling
from billing.views import SubscriptionView
from policies.model import SubscriptionStatus

_RUNNING = frozenset({SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE})
# Stays a claim on the client's money until somebody decides; a second one would be another.
_ILL = frozenset(
    {SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID, SubscriptionStatus.PAUSED}
)
# The mildest first: who has one that is well need not mend another.
_PREFERRED = (Remedy.NOTHING, Remedy.RESUME, Remedy.CHANGE, Remedy.MEND)


@dataclass(frozen=True, slots=True)
class Holding:
    """A plan that a client has; `subscription` None was bought for ever.

    With `is_settling` it opens nothing yet: its first payment is on its way.
    """

    plan: Plan
    quantity: int
    subscription: SubscriptionView | None = None
    is_settling: bool = False


def to_holdings(
    subscriptions: Iterable[SubscriptionView], bought: Iterable[tuple[str, int]], plans: Plans
) -> list[Holding]:
    """Return what the client has, as far as its plans are known."""
    versions = plans.by_version
    return [
        *(
            Holding(
                versions[item.plan, item.version],
                item.quantity,
                held,
                # Whatever the subscription is called meanwhile: bought by debit it is active.
                is_settling=held.is_settling and item.until_at is None,
            )
            for held in subscriptions
            for item in held.items
            if item.plan and item.version and (item.plan, item.version) in versions
        ),
        *(Holding(versions[named], 1) for named in bought if named in versions),
    ]


def find_held(
    plan: Plan, quantity: int, holdings: Sequence[Holding]
) -> AlreadyHeld | Settling | None:
    """Return why so many of the plan are not sold to whoever has the holdings; None: they are."""
    found: dict[Remedy, AlreadyHeld] = {}
    for holding in holdings:
        subscription = holding.subscription
        if subscription is None:
            if covers(holding.plan, plan):
                return AlreadyHeld(plan)
            continue
        if plan.interval is Interval.ONCE:
            continue
        if holding.is_settling and (covers(holding.plan, plan) or covers(plan, holding.plan)):
            return Settling(plan)
        if subscription.status is SubscriptionStatus.PENDING:
            continue
        remedy = _remedy(plan, quantity, holding, subscription)
        if remedy is not None:
            found.setdefault(remedy, AlreadyHeld(plan, remedy, subscription.id))
    return next((found[remedy] for remedy in _PREFERRED if remedy in found), None)


def find_lapsed(
    held: AlreadyHeld | Settling | None, subscriptions: Iterable[SubscriptionView], now: datetime
) -> ObjectRef | None:
    """Return the subscription that is in the way, to be read again, if it opens nothing now.

    It may have ended, or been mended, without our knowing: until it is read again, its client
    would neither be let in nor be sold anything.
    """
    for known in subscriptions:
        is_meant = isinstance(held, AlreadyHeld) and held.subscription_id == known.id
        if is_meant and (known.until_at is None or known.until_at <= now):
            return ObjectRef(ObjectKind.SUBSCRIPTION, known.psp_sub_id)
    return None


def without_doors(held: AlreadyHeld | Settling | None) -> AlreadyHeld | Settling | None:
    """Return what is told of a subscription that opens nothing though it was just read again.

    Whose money went back (a refund, a dispute) would otherwise be told to have what no door
    believes, and could neither get in nor buy.
    """
    if isinstance(held, AlreadyHeld) and held.remedy is not Remedy.MEND:
        return replace(held, remedy=Remedy.END)
    return held


def _remedy(
    plan: Plan, quantity: int, holding: Holding, subscription: SubscriptionView
) -> Remedy | None:
    status = subscription.status
    # A trial that was cancelled is called trialing to its end.
    is_leaving = status is SubscriptionStatus.CANCELING or subscription.cancel_at is not None
    has_all = covers(holding.plan, plan)
    if not has_all and not covers(plan, holding.plan):
        return None
    if status in _ILL:
        return Remedy.MEND
    if status not in _RUNNING and status is not SubscriptionStatus.CANCELING:
        return None
    if has_all and holding.quantity >= quantity:
        return Remedy.RESUME if is_leaving else Remedy.NOTHING
    if is_leaving and not (has_all or may_become(holding.plan, plan)):
        # It cannot be changed, and will not be paid again.
        return None
    return Remedy.CHANGE


def covers(held: Plan, wanted: Plan) -> bool:
    """Tell whether who has the one plan has all that the other would give."""
    given = {(f.app_id, f.feature): f.value for f in held.features}
    return held.id == wanted.id or all(
        _is_enough(given.get((f.app_id, f.feature), False), f.value) for f in wanted.features
    )


def may_become(held: Plan, wanted: Plan) -> bool:
    """Tell whether a subscription of the one plan can be changed into the other."""
    return (held.interval, held.currency) == (wanted.interval, wanted.currency)


def _is_enough(given: FeatureValue, wanted: FeatureValue) -> bool:
    if wanted is False:
        return True
    # True is 1 to Python, and no number of seats to anybody.
    if type(given) is not type(wanted):
        return False
    if isinstance(given, int) and isinstance(wanted, int):
        return given >= wanted
    return given == wanted
