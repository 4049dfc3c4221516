"""From the facts of one client to what it may use: pure and total.

All grants that a provider's facts give are derived together, after any fact of the
client changed, from what our tables say and nothing else. So the order in which facts
arrived leaves no trace in what they give. Manual grants and blocks are no facts of a
provider; they are not seen here and not touched.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing.entitled_until import ItemMoney, Standing, entitled_until
from billing.facts import PaymentLine, PaymentState
from billing.model import FeatureValue, Plan
from policies.model import SubscriptionStatus


@dataclass(frozen=True, slots=True)
class ItemFact:
    """An item of a subscription, with the last plan that its price was known to buy."""

    psp_item_id: str
    psp_price_id: str
    plan: str | None
    version: int | None
    quantity: int
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class PaymentFact:
    """A payment; `lines` are what an invoice paid for, an order has none."""

    psp_payment_id: str
    state: PaymentState
    amount_minor: int
    created_at: datetime
    paid_at: datetime | None
    taken_back_at: datetime | None
    lines: tuple[PaymentLine, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionFact:
    """A subscription with its items and payments; `psp_payment_id` names the latest."""

    psp_sub_id: str
    status: SubscriptionStatus
    from_at: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    closed_at: datetime | None
    past_due_since: datetime | None
    psp_payment_id: str | None
    items: tuple[ItemFact, ...]
    payments: tuple[PaymentFact, ...]


@dataclass(frozen=True, slots=True)
class OrderFact:
    """A plan bought once; with no `psp_payment_id` there was nothing to pay.

    `payment` is None until it was read.
    """

    psp_session_id: str
    plan: str
    version: int
    quantity: int
    completed_at: datetime | None
    psp_payment_id: str | None
    payment: PaymentFact | None


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """All that providers say of one client."""

    subscriptions: tuple[SubscriptionFact, ...] = ()
    orders: tuple[OrderFact, ...] = ()


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


# Money that has not come, and may yet come.
_OUT = frozenset({PaymentState.OPEN, PaymentState.SETTLING, PaymentState.FAILED})
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
            for plan_id in {plan.id for item in held.items if (plan := plans.of_item(item))}:
                giving[plan_id].append(held.psp_sub_id)
    return {plan_id: tuple(sorted(subs)) for plan_id, subs in giving.items() if len(subs) > 1}


def _of_subscription(held: SubscriptionFact, plans: Plans, slack: timedelta) -> Iterator[GrantFact]:
    standing = Standing(
        status=held.status,
        trial_end=held.trial_end,
        cancel_at=held.cancel_at,
        ended_at=held.ended_at,
        closed_at=held.closed_at,
        past_due_since=_owing_since(held.payments) or held.past_due_since,
    )
    for listed in held.items:
        item, paid = _as_paid(listed, held)
        plan = plans.of_item(item)
        if plan is None:
            continue
        until_at = entitled_until(
            standing,
            _money_of(item, held, paid),
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


# A payment that came, and what it was for.
_Paid = tuple[PaymentFact, PaymentLine]


def _as_paid(item: ItemFact, held: SubscriptionFact) -> tuple[ItemFact, list[_Paid]]:
    """Return the item at the price that is paid for, and what was paid for it.

    A change to a dearer price whose money has not come, or is gone again, leaves what was
    paid for at the price before: the new plan is not had for the old money, and the old
    one is not lost.
    """
    paid = [
        (payment, line)
        for payment in held.payments
        if payment.state is PaymentState.PAID
        for line in _lines_of(item, payment)
    ]
    unpaid_from = _unpaid_from(item, held, paid)
    left = [
        line
        for payment, line in paid
        if unpaid_from is not None
        and payment.taken_back_at is None
        and payment.amount_minor > 0
        and line.psp_price_id not in {None, item.psp_price_id}
        and line.period_end > unpaid_from
    ]
    if not left:
        return item, paid
    last = max(left, key=lambda line: (line.period_end, line.period_start, line.psp_price_id))
    before = replace(
        item,
        psp_price_id=last.psp_price_id or item.psp_price_id,
        period_end=min(item.period_end, last.period_end),
    )
    return before, [(p, line) for p, line in paid if line.psp_price_id == last.psp_price_id]


def _unpaid_from(item: ItemFact, held: SubscriptionFact, paid: Sequence[_Paid]) -> datetime | None:
    """Return since when the item's present price is not paid for; None where it is.

    Where nothing was asked for at that price, it is: what cost more has covered it.
    """
    last = max((line.period_end for _, line in paid), default=None)
    own = [(p, line) for p, line in paid if line.psp_price_id in {None, item.psp_price_id}]
    if any(line.period_end == last for _, line in own):
        return _taken_back_at(own)
    asked = [
        line.period_start
        for payment in held.payments
        if payment.state in _OUT and payment.amount_minor > 0
        for line in _lines_of(item, payment)
        if line.psp_price_id == item.psp_price_id
    ]
    return min(asked, default=None)


def _money_of(item: ItemFact, held: SubscriptionFact, paid: Sequence[_Paid]) -> ItemMoney:
    """Return what the subscription's payments say of one of its items."""
    kept = [line.period_end for payment, line in paid if payment.taken_back_at is None]
    return ItemMoney(
        paid_through=max(kept, default=None),
        is_awaited=not paid and not _was_paid_unlisted(held) and _is_out(item, held),
        taken_back_at=_taken_back_at(paid),
    )


def _lines_of(item: ItemFact, payment: PaymentFact) -> list[PaymentLine]:
    """Return what the payment asked for the item; a negative line is a credit and pays nothing."""
    return [
        line
        for line in payment.lines
        if line.psp_item_id == item.psp_item_id and line.amount_minor >= 0
    ]


def _was_paid_unlisted(held: SubscriptionFact) -> bool:
    """Tell whether money came of which we do not know for which item (rows of old versions)."""
    return any(p.state is PaymentState.PAID and not p.lines for p in held.payments)


def _is_out(item: ItemFact, held: SubscriptionFact) -> bool:
    """Tell whether money for the item is still to come, or may be: its payment is not read yet."""
    known = {payment.psp_payment_id for payment in held.payments}
    if held.psp_payment_id is not None and held.psp_payment_id not in known:
        return True
    return any(
        payment.state in _OUT and payment.amount_minor > 0 and _lines_of(item, payment)
        for payment in held.payments
    )


def _taken_back_at(paid: Sequence[_Paid]) -> datetime | None:
    """Return since when all that paid for the item's last paid period is gone, if it is.

    An upgrade within a period pays for the same end as the period's own payment: only
    with both gone is nothing left. A change that cost nothing is no money that is left;
    where nothing was to be paid at all, nothing can be taken back.
    """
    last = max((line.period_end for _, line in paid), default=None)
    gone = [p.taken_back_at for p, line in paid if line.period_end == last and p.amount_minor > 0]
    instants = [at for at in gone if at is not None]
    return max(instants, default=None) if len(instants) == len(gone) else None


def _owing_since(payments: Iterable[PaymentFact]) -> datetime | None:
    """Return when the oldest payment was asked for that came due after the last that was paid.

    By the provider's clock: when we happened to notice must not lengthen the grace.
    """
    listed = list(payments)
    paid = [p.created_at for p in listed if p.state is PaymentState.PAID]
    last_paid = max(paid, default=None)
    owed = [
        p.created_at
        for p in listed
        if p.state in _OUT
        and p.amount_minor > 0
        and (last_paid is None or p.created_at > last_paid)
    ]
    return min(owed, default=None)
