"""Facts for tests, with defaults: what a provider says, and what our tables say of it."""

from datetime import datetime, timedelta

from billing.client_facts import (
    ClientFacts,
    ItemFact,
    OrderFact,
    PaymentFact,
    SubscriptionFact,
)
from billing.derive import GrantFact, Plans, derive
from billing.facts import PauseKind, PaymentLine, PaymentState
from billing.model import Plan
from policies.model import SubscriptionStatus

START = datetime.fromisoformat("2026-12-01T00:00:00+00:00")
SLACK = timedelta(hours=4)
END = START + timedelta(days=30)


def day(number: float) -> datetime:
    """Return the instant that many days after `START`."""
    return START + timedelta(days=number)


def make_item(
    name: str = "si_1",
    price: str = "price_reader_1",
    *,
    start: datetime = START,
    end: datetime = END,
    plan: str | None = None,
    version: int | None = None,
    quantity: int = 1,
) -> ItemFact:
    """Return an item of a month that has just begun."""
    return ItemFact(name, price, plan, version, quantity, start, end)


def make_line(
    item: str = "si_1",
    *,
    start: datetime = START,
    end: datetime = END,
    amount_minor: int = 500,
    is_proration: bool = False,
    price: str | None = None,
) -> PaymentLine:
    """Return what a payment paid of the item."""
    return PaymentLine(item, price, amount_minor, start, end, is_proration)


def make_payment(
    name: str = "in_1",
    *lines: PaymentLine,
    state: PaymentState = PaymentState.PAID,
    amount_minor: int = 500,
    created_at: datetime = START,
    taken_back_at: datetime | None = None,
) -> PaymentFact:
    """Return a payment of the lines; paid at once, if it is."""
    paid_at = created_at if state is PaymentState.PAID else None
    return PaymentFact(name, state, amount_minor, created_at, paid_at, taken_back_at, lines)


def make_subscription(
    *items: ItemFact,
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
    payments: tuple[PaymentFact, ...] = (),
    latest: str | None = None,
    name: str = "sub_1",
    trial_end: datetime | None = None,
    cancel_at: datetime | None = None,
    ended_at: datetime | None = None,
    closed_at: datetime | None = None,
    past_due_since: datetime | None = None,
    pause: PauseKind | None = None,
    start: datetime = START,
    end: datetime = END,
) -> SubscriptionFact:
    """Return a subscription that began at `start`; its latest payment is the last of them."""
    return SubscriptionFact(
        psp_sub_id=name,
        status=status,
        from_at=start,
        trial_end=trial_end,
        cancel_at=cancel_at,
        ended_at=ended_at,
        closed_at=closed_at,
        past_due_since=past_due_since,
        psp_payment_id=latest or (payments[-1].psp_payment_id if payments else None),
        items=items or (make_item(start=start, end=end),),
        payments=payments,
        pause=pause,
    )


def make_order(
    payment: PaymentFact | None, *, name: str = "cs_1", plan: str = "lifetime"
) -> OrderFact:
    """Return an order that waits for the payment `pi_1`."""
    return OrderFact(name, plan, 1, 1, START, "pi_1", payment)


def make_plans(*plans: Plan) -> Plans:
    """Return the plans as the catalog gives them."""
    return Plans(
        {plan.psp_price_id: plan for plan in plans},
        {(plan.id, plan.version): plan for plan in plans},
    )


def derive_all(
    *subscriptions: SubscriptionFact, plans: Plans, orders: tuple[OrderFact, ...] = ()
) -> list[GrantFact]:
    """Return what the facts give, with the slack of these tests."""
    return derive(ClientFacts(subscriptions, orders), plans, SLACK)
