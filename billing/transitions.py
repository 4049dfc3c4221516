"""From the provider's current object to our rows: pure, and the same for every path.

A webhook, the return page, an operator's resync and the reconciler all end here, so
that they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.entitled_until import CLOSED, Standing, entitled_until
from billing.facts import PauseKind, ProviderItem, ProviderSubscription
from billing.model import FeatureValue, Plan
from policies.model import SubscriptionStatus

_PAUSABLE = {SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELING}


@dataclass(frozen=True, slots=True)
class Known:
    """What our row said of the subscription before this observation."""

    status: SubscriptionStatus
    from_at: datetime
    closed_at: datetime | None
    past_due_since: datetime | None


@dataclass(frozen=True, slots=True)
class GrantFact:
    """A grant as it shall stand in the table; `source_id` names the item or order."""

    app_id: str
    feature: str
    value: FeatureValue
    source: str
    source_id: str
    plan: str
    version: int
    status: str | None
    from_at: datetime
    until_at: datetime | None


@dataclass(frozen=True, slots=True)
class Observed:
    """The subscription's row after an observation. `verified` False asks for another look."""

    status: SubscriptionStatus
    from_at: datetime
    closed_at: datetime | None
    past_due_since: datetime | None
    verified: bool


def observe(
    subscription: ProviderSubscription, known: Known | None, observed_at: datetime
) -> Observed:
    """Place the current object in our state machine.

    A status that we do not know keeps the last one and is marked unverified: never a
    crash, and never a denial. Access begins no later than we saw it paid, whatever
    the provider's clock says.
    """
    status = subscription.status or (known.status if known else SubscriptionStatus.PENDING)
    # Stripe leaves the status `active` while collection is paused and invoices are
    # voided: nobody pays, so nobody passes (pay-rails/pay#659).
    if subscription.pause is PauseKind.VOID and status in _PAUSABLE:
        status = SubscriptionStatus.PAUSED
    first_seen = known.from_at if known else observed_at
    return Observed(
        status=status,
        from_at=min(subscription.started_at, first_seen),
        closed_at=_since(status in CLOSED, known.closed_at if known else None, observed_at),
        past_due_since=_since(
            status is SubscriptionStatus.PAST_DUE,
            known.past_due_since if known else None,
            observed_at,
        ),
        verified=subscription.status is not None,
    )


def grants_of(
    subscription: ProviderSubscription,
    observed: Observed,
    plans_by_price: Mapping[str, Plan],
    slack: timedelta,
) -> list[GrantFact]:
    """Return the grants that the subscription's items give; an unknown price gives none here.

    Nothing is taken back for an unknown price either: `apply` leaves grants that are
    not named as they are, until the item itself is gone.
    """
    standing = Standing(
        status=observed.status,
        trial_end=subscription.trial_end,
        cancel_at=subscription.cancel_at,
        ended_at=subscription.ended_at,
        closed_at=observed.closed_at,
        past_due_since=observed.past_due_since,
    )
    return [
        grant
        for item in subscription.items
        if (plan := plans_by_price.get(item.psp_price_id)) is not None
        for grant in _item_grants(item, plan, standing, observed.from_at, slack)
    ]


def _item_grants(
    item: ProviderItem, plan: Plan, standing: Standing, from_at: datetime, slack: timedelta
) -> list[GrantFact]:
    until_at = entitled_until(
        standing,
        item.period_end,
        from_at=from_at,
        slack=slack,
        grace=timedelta(days=plan.grace_days),
    )
    return [
        GrantFact(
            app_id=feature.app_id,
            feature=feature.feature,
            value=feature.value,
            source="item",
            source_id=item.psp_item_id,
            plan=plan.id,
            version=plan.version,
            status=standing.status.value,
            from_at=from_at,
            until_at=until_at,
        )
        for feature in plan.features
    ]


def order_grants(plan: Plan, psp_session_id: str, paid_at: datetime) -> list[GrantFact]:
    """Return the grants of a plan that was paid once: they never end."""
    return [
        GrantFact(
            app_id=feature.app_id,
            feature=feature.feature,
            value=feature.value,
            source="order",
            source_id=psp_session_id,
            plan=plan.id,
            version=plan.version,
            status=None,
            from_at=paid_at,
            until_at=None,
        )
        for feature in plan.features
    ]


def _since(holds: bool, known: datetime | None, observed_at: datetime) -> datetime | None:  # noqa: FBT001 - one predicate, named at each call
    return (known or observed_at) if holds else None
