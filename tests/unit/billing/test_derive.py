"""From all facts of a client to all that it may use."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.client_facts import ClientFacts, PaymentFact, SubscriptionFact
from billing.derive import GrantFact, find_overlaps
from billing.facts import PauseKind, PaymentState
from billing.model import Interval
from policies.model import SubscriptionStatus as S
from tests.support.facts import (
    END,
    SLACK,
    START,
    day,
    derive_all,
    make_item,
    make_line,
    make_order,
    make_payment,
    make_plans,
    make_subscription,
)
from tests.support.plans import make_plan

READER = make_plan("reader")
TEAM = make_plan("team", apps=("notes", "wiki"))
LIFETIME = make_plan("lifetime", interval=Interval.ONCE)
PLANS = make_plans(READER, TEAM, LIFETIME)

MONTH = make_item()
YEAR = make_item("si_2", TEAM.psp_price_id, end=day(365))
OUT = [PaymentState.OPEN, PaymentState.SETTLING, PaymentState.FAILED]
OVER = [PaymentState.VOID, PaymentState.UNCOLLECTIBLE]


def ends(*held: SubscriptionFact, app: str = "notes") -> list[datetime | None]:
    """Return until when the facts open the app."""
    return [g.until_at for g in derive_all(*held, plans=PLANS) if g.app_id == app]


def test_paid_month_gives_what_its_plan_gives() -> None:
    held = make_subscription(payments=(make_payment("in_1", make_line()),))

    assert derive_all(held, plans=PLANS) == [
        GrantFact(
            app_id="notes",
            feature="access",
            value=True,
            source="item",
            source_id="si_1",
            plan="reader",
            version=1,
            status="active",
            from_at=START,
            until_at=END + SLACK,
        )
    ]


def test_every_item_has_its_own_plan_and_period() -> None:
    paid = make_payment("in_1", make_line(), make_line("si_2", end=day(365)))

    found = derive_all(make_subscription(MONTH, YEAR, payments=(paid,)), plans=PLANS)

    assert {(g.source_id, g.app_id, g.until_at) for g in found} == {
        ("si_1", "notes", END + SLACK),
        ("si_2", "notes", day(365) + SLACK),
        ("si_2", "wiki", day(365) + SLACK),
    }


def test_grant_tells_the_version_and_quantity_that_were_bought() -> None:
    old, new = make_plan("reader", version=1), make_plan("reader", version=2)
    held = make_subscription(replace(MONTH, quantity=3))

    found = derive_all(held, plans=make_plans(old, new))

    assert [(g.plan, g.version, g.quantity, g.value) for g in found] == [("reader", 1, 3, True)]


def test_price_that_no_plan_has_gives_what_it_gave_before() -> None:
    strange = make_item("si_1", "price_of_somebody", plan="reader", version=1)

    assert ends(make_subscription(strange)) == [END + SLACK]


def test_price_that_no_plan_ever_had_gives_nothing_and_spoils_nothing() -> None:
    strange = make_item("si_9", "price_of_somebody")

    found = derive_all(make_subscription(strange, MONTH), plans=PLANS)

    assert [g.source_id for g in found] == ["si_1"]


# First payments


@pytest.mark.parametrize("state", OUT)
@pytest.mark.parametrize("status", [S.ACTIVE, S.CANCELING, S.PAST_DUE])
def test_first_payment_that_has_not_come_gives_nothing(state: PaymentState, status: S) -> None:
    first = make_payment("in_1", make_line(), state=state)

    assert ends(make_subscription(status=status, payments=(first,))) == []


@pytest.mark.parametrize("state", OUT)
def test_payment_of_nothing_is_not_waited_for(state: PaymentState) -> None:
    first = make_payment("in_1", make_line(amount_minor=0), state=state, amount_minor=0)

    assert ends(make_subscription(payments=(first,))) == [END + SLACK]


@pytest.mark.parametrize("state", OVER)
def test_payment_that_nobody_asks_for_any_more_is_not_waited_for(state: PaymentState) -> None:
    first = make_payment("in_1", make_line(), state=state)

    assert ends(make_subscription(payments=(first,))) == [END + SLACK]


def test_latest_payment_that_was_not_read_yet_may_be_one_that_has_not_come() -> None:
    assert ends(make_subscription(latest="in_1")) == []


def test_subscription_without_any_payment_is_taken_at_its_word() -> None:
    assert ends(make_subscription()) == [END + SLACK]


@pytest.mark.parametrize("state", OUT)
def test_renewal_that_has_not_come_shuts_nothing_while_it_is_called_active(
    state: PaymentState,
) -> None:
    paid = make_payment("in_1", make_line(start=day(-30), end=START), created_at=day(-30))
    renewal = make_payment("in_2", make_line(), state=state)

    assert ends(make_subscription(payments=(paid, renewal))) == [END + SLACK]
    assert ends(make_subscription(payments=(paid,), latest="in_2")) == [END + SLACK]


def test_item_that_was_added_waits_for_its_own_first_payment_alone() -> None:
    paid = make_payment("in_1", make_line())
    added = make_payment("in_2", make_line("si_2"), state=PaymentState.SETTLING)

    held = make_subscription(MONTH, YEAR, payments=(paid, added))

    assert [g.source_id for g in derive_all(held, plans=PLANS)] == ["si_1"]


def test_payment_of_an_old_row_that_names_no_item_counts_for_all() -> None:
    held = make_subscription(payments=(make_payment("in_1"),), latest="in_2")

    assert ends(held) == [END + SLACK]


def test_trial_opens_before_any_money() -> None:
    held = make_subscription(status=S.TRIALING, trial_end=day(14), latest="in_1")

    assert ends(held) == [day(14) + SLACK]


def test_item_set_to_none_of_it_gives_nothing_and_overlaps_with_none() -> None:
    none = make_item("si_2", quantity=0)
    held = make_subscription(none, name="sub_2")

    assert ends(held) == []
    assert find_overlaps(ClientFacts((make_subscription(), held)), PLANS) == {}


# Resting

COLLECTION = [PauseKind.VOID, PauseKind.KEEP_AS_DRAFT, PauseKind.MARK_UNCOLLECTIBLE]


def paused(pause: PauseKind, *further: PaymentFact, end: datetime = END) -> SubscriptionFact:
    """Return a subscription whose first month is paid, and that was paused on its ninth day."""
    paid = make_payment("in_1", make_line())
    item = make_item(end=end)
    return make_subscription(
        item, status=S.PAUSED, pause=pause, closed_at=day(9), payments=(paid, *further)
    )


@pytest.mark.parametrize("pause", COLLECTION)
def test_pause_of_collection_leaves_what_is_paid(pause: PauseKind) -> None:
    assert ends(paused(pause)) == [END]


@pytest.mark.parametrize(
    ("pause", "state"),
    [
        (PauseKind.VOID, PaymentState.VOID),
        (PauseKind.KEEP_AS_DRAFT, PaymentState.DRAFT),
        (PauseKind.MARK_UNCOLLECTIBLE, PaymentState.UNCOLLECTIBLE),
    ],
)
def test_what_a_paused_month_asked_for_opens_nothing(pause: PauseKind, state: PaymentState) -> None:
    second = make_payment("in_2", make_line(start=END, end=day(60)), state=state, created_at=END)

    assert ends(paused(pause, second, end=day(60))) == [END]


def test_pause_of_the_subscription_itself_shuts_at_once() -> None:
    assert ends(paused(PauseKind.STATUS)) == [day(9)]


def test_pause_of_what_was_paid_back_opens_nothing() -> None:
    held = paused(PauseKind.VOID)
    back = replace(held.payments[0], taken_back_at=day(8))

    assert ends(replace(held, payments=(back,))) == [day(8)]


# Falling behind


def owing(**changes: object) -> SubscriptionFact:
    """Return a subscription whose second month was asked for on day 30 and did not come."""
    paid = make_payment("in_1", make_line())
    failed = make_payment(
        "in_2",
        make_line(start=END, end=day(60)),
        state=PaymentState.FAILED,
        created_at=END,
    )
    item = make_item(start=END, end=day(60))
    held = make_subscription(item, status=S.PAST_DUE, payments=(paid, failed))
    return replace(held, **changes)  # type: ignore[arg-type] # by name


@pytest.mark.parametrize("noticed", [None, END, day(31), day(40)])
def test_grace_counts_from_the_bill_and_not_from_when_we_noticed(noticed: datetime | None) -> None:
    grace = timedelta(days=READER.grace_days)

    assert ends(owing(past_due_since=noticed)) == [END + grace]


def test_bill_of_long_ago_does_not_use_up_the_grace_of_a_later_one() -> None:
    forgotten = make_payment("in_0", make_line(), state=PaymentState.OPEN, created_at=day(-90))
    held = owing()

    held = replace(held, payments=(forgotten, *held.payments))

    assert ends(held) == [END + timedelta(days=READER.grace_days)]


def test_draft_that_nobody_was_asked_to_pay_uses_up_no_grace() -> None:
    held = owing()
    draft = make_payment(
        "in_1a", make_line(), state=PaymentState.DRAFT, created_at=END - timedelta(days=20)
    )

    held = replace(held, payments=(*held.payments, draft))

    assert ends(held) == [END + timedelta(days=READER.grace_days)]


@pytest.mark.parametrize("state", OUT)
def test_first_bill_after_a_trial_has_the_grace_of_any_bill(state: PaymentState) -> None:
    trial = make_payment("in_1", make_line(end=day(14), amount_minor=0), amount_minor=0)
    first = make_payment(
        "in_2", make_line(start=day(14), end=day(44)), state=state, created_at=day(14)
    )
    item = make_item(start=day(14), end=day(44))
    held = make_subscription(
        item, status=S.PAST_DUE, trial_end=day(14), payments=(trial, first), closed_at=None
    )

    assert ends(held) == [day(14) + timedelta(days=READER.grace_days)]


def test_grace_is_not_given_again_with_every_further_bill() -> None:
    held = owing()
    third = make_payment(
        "in_3", make_line(start=day(60), end=day(90)), state=PaymentState.OPEN, created_at=day(60)
    )

    held = replace(held, payments=(*held.payments, third), psp_payment_id="in_3")

    assert ends(held) == [END + timedelta(days=READER.grace_days)]


@pytest.mark.parametrize("status", [S.PAST_DUE, S.UNPAID])
def test_monthly_item_that_is_owed_does_not_shut_the_yearly_one_beside_it(status: S) -> None:
    paid = make_payment("in_1", make_line(), make_line("si_2", end=day(365)))
    failed = make_payment(
        "in_2", make_line(start=END, end=day(60)), state=PaymentState.FAILED, created_at=END
    )
    held = make_subscription(
        make_item(start=END, end=day(60)),
        YEAR,
        status=status,
        payments=(paid, failed),
        closed_at=day(45),
    )

    assert ends(held, app="wiki") == [day(365)]


# Money that is taken back


def gone(at: datetime, *lines: object, name: str = "in_1") -> PaymentFact:
    return make_payment(name, *lines, taken_back_at=at)  # type: ignore[arg-type] # lines


@pytest.mark.parametrize("status", [S.ACTIVE, S.CANCELING])
def test_money_taken_back_ends_what_it_paid_for(status: S) -> None:
    assert ends(make_subscription(status=status, payments=(gone(day(9), make_line()),))) == [day(9)]


def test_money_of_an_earlier_month_taken_back_ends_nothing_now() -> None:
    before = gone(day(9), make_line(start=day(-30), end=START), name="in_0")
    held = make_subscription(payments=(before, make_payment("in_1", make_line())))

    assert ends(held) == [END + SLACK]


def test_upgrade_taken_back_leaves_what_the_month_itself_paid_for() -> None:
    month = make_payment("in_1", make_line())
    upgrade = gone(day(9), make_line(start=day(5), is_proration=True), name="in_2")

    assert ends(make_subscription(payments=(month, upgrade))) == [END + SLACK]


def test_month_and_upgrade_both_taken_back_end_with_the_later() -> None:
    month = gone(day(12), make_line())
    upgrade = gone(day(9), make_line(start=day(5), is_proration=True), name="in_2")

    assert ends(make_subscription(payments=(month, upgrade))) == [day(12)]


def test_change_that_cost_nothing_is_no_money_that_is_left() -> None:
    month = gone(day(9), make_line())
    free = make_payment("in_2", make_line(start=day(5), is_proration=True), amount_minor=0)

    assert ends(make_subscription(payments=(month, free))) == [day(9)]


def test_what_cost_nothing_at_all_cannot_be_taken_back() -> None:
    free = make_payment("in_1", make_line(), amount_minor=0)

    assert ends(make_subscription(payments=(free,))) == [END + SLACK]


def test_credit_pays_for_nothing() -> None:
    month = gone(day(9), make_line())
    credit = make_payment("in_2", make_line(start=day(5), amount_minor=-200, is_proration=True))

    assert ends(make_subscription(payments=(month, credit))) == [day(9)]


def test_whoever_took_the_money_back_gets_no_grace_for_the_next_month() -> None:
    held = owing()
    first, second = held.payments

    held = replace(held, payments=(replace(first, taken_back_at=day(9)), second))

    assert ends(held) == [day(9)]


# Changes of plan

AT_READER, AT_TEAM = READER.psp_price_id, TEAM.psp_price_id
PAID_MONTH = make_payment("in_1", make_line(price=AT_READER))


def changed(
    *payments: PaymentFact, status: S = S.ACTIVE, end: datetime = END, **changes: object
) -> list[tuple[str, datetime | None]]:
    """Return what a subscription gives that was changed from the reader's plan to the team's."""
    item = make_item("si_1", AT_TEAM, end=end)
    held = make_subscription(item, status=status, payments=payments)
    held = replace(held, **changes)  # type: ignore[arg-type] # by name
    return [(g.plan, g.until_at) for g in derive_all(held, plans=PLANS) if g.app_id == "notes"]


def difference(at: datetime = END, **changes: object) -> PaymentFact:
    """Return what was asked for the rest of the month at the team's price."""
    line = make_line(start=day(5), end=at, price=AT_TEAM, amount_minor=1600, is_proration=True)
    return replace(make_payment("in_2", line, created_at=day(5)), **changes)  # type: ignore[arg-type] # by name


def test_change_that_is_paid_gives_the_new_plan() -> None:
    assert changed(PAID_MONTH, difference()) == [("team", END + SLACK)]


def test_change_for_which_nothing_was_asked_gives_the_new_plan() -> None:
    assert changed(PAID_MONTH) == [("team", END + SLACK)]


@pytest.mark.parametrize("state", OUT)
@pytest.mark.parametrize(
    ("status", "until_at"),
    [(S.ACTIVE, END + SLACK), (S.CANCELING, END), (S.PAST_DUE, END), (S.UNPAID, END)],
)
def test_change_that_is_not_paid_leaves_what_was_paid_for(
    state: PaymentState, status: S, until_at: datetime
) -> None:
    unpaid = difference(state=state)

    assert changed(PAID_MONTH, unpaid, status=status, closed_at=day(9)) == [("reader", until_at)]


def test_year_that_is_not_paid_leaves_the_month_that_was() -> None:
    unpaid = difference(day(365), state=PaymentState.SETTLING)

    assert changed(PAID_MONTH, unpaid, end=day(365)) == [("reader", END + SLACK)]


@pytest.mark.parametrize("end", [END, day(365)])
def test_change_whose_money_is_taken_back_leaves_what_was_paid_for(end: datetime) -> None:
    back = difference(end, taken_back_at=day(9))

    assert changed(PAID_MONTH, back, end=end) == [("reader", END + SLACK)]


def test_month_and_change_both_taken_back_leave_nothing() -> None:
    month = replace(PAID_MONTH, taken_back_at=day(12))

    assert changed(month, difference(taken_back_at=day(9))) == [("team", day(12))]


def test_free_way_back_to_the_dearer_plan_is_no_money_that_is_left() -> None:
    month = make_payment("in_1", make_line(price=AT_TEAM), taken_back_at=day(9))
    free = make_payment(
        "in_2",
        make_line(start=day(5), price=AT_READER, is_proration=True),
        make_line(start=day(5), price=AT_TEAM, is_proration=True),
        amount_minor=0,
    )

    assert changed(month, free) == [("team", day(9))]


def test_plan_of_earlier_months_comes_not_back_when_the_present_one_is_taken_back() -> None:
    before = make_payment("in_0", make_line(start=day(-30), end=START, price=AT_READER))
    month = make_payment("in_1", make_line(price=AT_TEAM), taken_back_at=day(9))

    assert changed(before, month) == [("team", day(9))]


def test_cheaper_plan_is_covered_by_what_the_dearer_one_had_paid() -> None:
    paid = make_payment("in_1", make_line(price=AT_TEAM, amount_minor=1900))
    held = make_subscription(make_item("si_1", AT_READER), payments=(paid,))

    assert [(g.plan, g.until_at) for g in derive_all(held, plans=PLANS)] == [
        ("reader", END + SLACK)
    ]


# Orders


@pytest.mark.parametrize(
    ("payment", "spans"),
    [
        (make_payment("pi_1", created_at=day(1)), [(day(1), None)]),
        (make_payment("pi_1", created_at=day(1), taken_back_at=day(5)), [(day(1), day(5))]),
        *((make_payment("pi_1", state=state), []) for state in [*OUT, *OVER]),
        # It is said that there is a payment, and we have not read it yet.
        (None, []),
    ],
)
def test_order_is_for_ever_once_it_is_paid_and_while_it_is(
    payment: PaymentFact | None, spans: list[tuple[datetime, datetime | None]]
) -> None:
    found = derive_all(plans=PLANS, orders=(make_order(payment),))

    assert [(g.from_at, g.until_at) for g in found] == spans
    assert {(g.source, g.source_id, g.status) for g in found} <= {("order", "cs_1", None)}


def test_order_that_cost_nothing_is_for_ever_from_when_it_was_made() -> None:
    free = replace(make_order(None), psp_payment_id=None)

    found = derive_all(plans=PLANS, orders=(free,))

    assert [(g.from_at, g.until_at) for g in found] == [(START, None)]


def test_order_that_was_not_completed_gives_nothing() -> None:
    left = replace(make_order(None), psp_payment_id=None, completed_at=None)

    assert derive_all(plans=PLANS, orders=(left,)) == []


# Buying twice


def test_two_live_subscriptions_of_a_plan_both_count_and_are_told() -> None:
    one, two = make_subscription(name="sub_1"), make_subscription(make_item("si_2"), name="sub_2")

    assert len(ends(one, two)) == 2
    assert find_overlaps(ClientFacts((two, one)), PLANS) == {"reader": ("sub_1", "sub_2")}


@pytest.mark.parametrize("status", [S.ENDED, S.PENDING])
def test_subscription_that_is_not_live_overlaps_with_none(status: S) -> None:
    one = make_subscription(name="sub_1")
    other = make_subscription(make_item("si_2"), name="sub_2", status=status)

    assert find_overlaps(ClientFacts((one, other)), PLANS) == {}


def test_other_plans_overlap_with_none() -> None:
    one, two = make_subscription(name="sub_1"), make_subscription(YEAR, name="sub_2")

    assert find_overlaps(ClientFacts((one, two)), PLANS) == {}


# Any facts at all

instants = st.integers(-60, 400).map(day)
maybe = st.none() | instants
lines = st.builds(
    make_line,
    st.sampled_from(["si_1", "si_2", "si_9"]),
    start=instants,
    end=instants,
    amount_minor=st.integers(-500, 500),
    is_proration=st.booleans(),
    price=st.sampled_from([None, READER.psp_price_id, TEAM.psp_price_id]),
)
payments = st.builds(
    lambda name, some, **facts: make_payment(name, *some, **facts),
    st.sampled_from(["in_1", "in_2", "in_3", "in_4"]),
    st.lists(lines, max_size=3),
    state=st.sampled_from(PaymentState),
    amount_minor=st.integers(0, 500),
    created_at=instants,
    taken_back_at=maybe,
)
items = st.sampled_from([MONTH, YEAR, make_item("si_9", "price_of_somebody")])
subscriptions = st.builds(
    lambda some, **facts: make_subscription(*some, **facts),
    st.lists(items, min_size=1, max_size=3, unique_by=lambda item: item.psp_item_id),
    status=st.sampled_from(S),
    payments=st.lists(payments, max_size=4, unique_by=lambda p: p.psp_payment_id).map(tuple),
    latest=st.sampled_from([None, "in_1", "in_7"]),
    trial_end=maybe,
    cancel_at=maybe,
    ended_at=maybe,
    closed_at=maybe,
    past_due_since=maybe,
)


@given(subscriptions, payments | st.none())
def test_all_facts_give_grants_that_begin_before_they_end(
    held: SubscriptionFact, payment: PaymentFact | None
) -> None:
    found = derive_all(held, plans=PLANS, orders=(make_order(payment),))

    assert all(g.until_at is None or g.until_at > g.from_at for g in found)
    keys = [(g.source, g.source_id, g.app_id, g.feature) for g in found]
    assert len(keys) == len(set(keys))


@given(subscriptions)
def test_order_of_facts_leaves_no_trace(held: SubscriptionFact) -> None:
    plain = derive_all(held, plans=PLANS)

    for some in itertools.islice(itertools.permutations(held.payments), 6):
        shuffled = replace(held, payments=some)

        assert derive_all(shuffled, plans=PLANS) == plain


@given(st.sampled_from(S), st.sampled_from(OUT), instants, maybe)
def test_what_one_item_owes_never_shortens_what_was_paid_of_another(
    status: S, state: PaymentState, asked_at: datetime, closed_at: datetime | None
) -> None:
    paid = make_payment("in_1", make_line("si_2", end=day(365)), created_at=day(-60))
    owed = make_payment("in_2", make_line("si_1"), state=state, created_at=asked_at)
    alone = make_subscription(YEAR, status=status, payments=(paid,), closed_at=closed_at)
    beside = replace(alone, items=(MONTH, YEAR), payments=(paid, owed), psp_payment_id="in_2")

    ends_alone, ends_beside = ends(alone, app="wiki"), ends(beside, app="wiki")

    if status in {S.PAST_DUE, S.UNPAID}:
        assert [end is not None and end >= day(365) for end in ends_beside] == [True]
    else:
        assert ends_beside == ends_alone
