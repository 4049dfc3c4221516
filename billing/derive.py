"""From the facts of one client to what it may use: pure and total.

All grants that a provider's facts give are derived together, after any fact of the
client changed, from what our tables say and nothing else. So the order in which facts
arrived leaves no trace in what they give. Manual grants and blocks are no facts of a
provider; they are not seen here and not touched.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.client_facts import ClientFacts, ItemFact, OrderFact, SubscriptionFact
from billing.entitled_until import Standing, entitled_until
from billing.facts import PauseKind, PaymentState
from billing.item_money import as_paid, money_of, owing_since
from billing.model import FeatureValue, Plan
from policies.model import SubscriptionStatus


@dataclass(frozen=True, slots=True)
class Plans:
    """Every plan version ever published, by what names it."""

    by_price: Mapping[str, Plan]
    by_version: Mapping[tuple[str, int], Plan]

    def of_item(self, item: ItemFact) -> Plan | None:
        """Return what the item's price buys; for a price unknown to us, what it last bought.

        Not knowing a price is no reason to shut a door.
        """
        known = self.by_price.get(item.psp_price_id)
        if known is not None or item.plan is None or item.version is None:
            return known
        return self.by_version.get((item.plan, item.version))


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
    quantity: int = 1


# With these Stripe goes on calling the subscription active.
_OF_COLLECTION = frozenset(PauseKind) - {PauseKind.STATUS}
# In these a subscription is what the client pays for, or may soon be again.
_LIVE = frozenset(SubscriptionStatus) - {SubscriptionStatus.ENDED, SubscriptionStatus.PENDING}


def derive(facts: ClientFacts, plans: Plans, slack: timedelta) -> list[GrantFact]:
    """Return every grant that the facts give, those of the past too."""
    return [
        *(g for held in facts.subscriptions for g in _of_subscription(held, plans, slack)),
        *(g for order in facts.orders for g in _of_order(order, plans)),
    ]


def find_overlaps(facts: ClientFacts, plans: Plans) -> dict[str, tuple[str, ...]]:
    """Return the plans that more than one live subscription gives, with those subscriptions.

    The client pays twice for the same; both count, so that the end of one shuts no door.
    """
    giving: dict[str, list[str]] = defaultdict(list)
    for held in facts.subscriptions:
        if held.status in _LIVE:
            items = (item for item in held.items if item.quantity > 0)
            for plan_id in {plan.id for item in items if (plan := plans.of_item(item))}:
                giving[plan_id].append(held.psp_sub_id)
    return {plan_id: tuple(sorted(subs)) for plan_id, subs in giving.items() if len(subs) > 1}


def _of_subscription(held: SubscriptionFact, plans: Plans, slack: timedelta) -> Iterator[GrantFact]:
    standing = Standing(
        status=held.status,
        trial_end=held.trial_end,
        cancel_at=held.cancel_at,
        ended_at=held.ended_at,
        closed_at=held.closed_at,
        past_due_since=owing_since(held.payments) or held.past_due_since,
        # Stripe credits the rest of a period when a subscription itself is paused. Pausing
        # its collection alone gives nothing back: the next bill is the first not to be paid.
        keeps_paid=held.status is SubscriptionStatus.PAUSED and held.pause in _OF_COLLECTION,
    )
    for listed in held.items:
        item, paid = as_paid(listed, held)
        plan = plans.of_item(item)
        if plan is None or item.quantity == 0:
            # Set to none of it, an item stays on its subscription, and costs nothing.
            continue
        until_at = entitled_until(
            standing,
            money_of(item, held, paid),
            item.period_end,
            from_at=held.from_at,
            slack=slack,
            grace=timedelta(days=plan.grace_days),
        )
        if until_at > held.from_at:
            yield from _grants(
                plan,
                source="item",
                source_id=item.psp_item_id,
                quantity=item.quantity,
                status=held.status.value,
                from_at=held.from_at,
                until_at=until_at,
            )


def _of_order(order: OrderFact, plans: Plans) -> Iterable[GrantFact]:
    plan = plans.by_version.get((order.plan, order.version))
    payment = order.payment
    if order.psp_payment_id is None:
        from_at, until_at = order.completed_at, None
    elif payment is None or payment.state is not PaymentState.PAID:
        from_at, until_at = None, None
    else:
        from_at, until_at = payment.paid_at or payment.created_at, payment.taken_back_at
    if plan is None or from_at is None or (until_at is not None and until_at <= from_at):
        return ()
    return _grants(
        plan,
        source="order",
        source_id=order.psp_session_id,
        quantity=order.quantity,
        status=None,
        from_at=from_at,
        until_at=until_at,
    )


def _grants(
    plan: Plan,
    *,
    source: str,
    source_id: str,
    quantity: int,
    status: str | None,
    from_at: datetime,
    until_at: datetime | None,
) -> Iterator[GrantFact]:
    for feature in plan.features:
        yield GrantFact(
            app_id=feature.app_id,
            feature=feature.feature,
            value=feature.value,
            source=source,
            source_id=source_id,
            plan=plan.id,
            version=plan.version,
            quantity=quantity,
            status=status,
            from_at=from_at,
            until_at=until_at,
        )
