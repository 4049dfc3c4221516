"""Until when an item opens doors: a row a status, then what holds of all."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.entitled_until import ItemMoney, Standing, entitled_until
from policies.model import SubscriptionStatus as S
from tests.support.facts import SLACK, START, day

PERIOD_END = day(30)
GRACE = timedelta(days=3)
NOTHING_KNOWN = ItemMoney()
AWAITED = ItemMoney(is_awaited=True)


def standing(
    status: S,
    *,
    trial_end: datetime | None = None,
    cancel_at: datetime | None = None,
    ended_at: datetime | None = None,
    closed_at: datetime | None = None,
    past_due_since: datetime | None = None,
) -> Standing:
    return Standing(status, trial_end, cancel_at, ended_at, closed_at, past_due_since)


def until(
    held: Standing,
    money: ItemMoney = NOTHING_KNOWN,
    *,
    grace: timedelta = GRACE,
    slack: timedelta = SLACK,
) -> datetime:
    return entitled_until(held, money, PERIOD_END, from_at=START, slack=slack, grace=grace)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (standing(S.PENDING), START),
        (standing(S.TRIALING, trial_end=day(14)), day(14) + SLACK),
        (standing(S.TRIALING), PERIOD_END + SLACK),
        # Cancelled, it has no renewal that the slack would wait for.
        (standing(S.TRIALING, trial_end=day(14), cancel_at=day(14)), day(14)),
        (standing(S.ACTIVE), PERIOD_END + SLACK),
        # A trial that is over counts no more.
        (standing(S.ACTIVE, trial_end=day(14)), PERIOD_END + SLACK),
        (standing(S.CANCELING), PERIOD_END),
        (standing(S.CANCELING, cancel_at=day(10)), day(10)),
        (standing(S.CANCELING, cancel_at=PERIOD_END), PERIOD_END),
        # It is renewed before it ends, and the bill of that takes as long as any.
        (standing(S.CANCELING, cancel_at=day(90)), PERIOD_END + SLACK),
        (standing(S.CANCELING, cancel_at=PERIOD_END + SLACK / 2), PERIOD_END + SLACK / 2),
        # The provider has moved the period on to the month that nobody paid.
        (standing(S.PAST_DUE, past_due_since=day(1)), day(1) + GRACE),
        (standing(S.PAST_DUE), START + GRACE),
        (standing(S.PAST_DUE, past_due_since=day(1), cancel_at=day(2)), day(2)),
        (standing(S.UNPAID, closed_at=day(5)), day(5)),
        (standing(S.PAUSED, closed_at=day(5)), day(5)),
        (standing(S.ENDED, ended_at=day(4), closed_at=day(5)), day(4)),
        (standing(S.ENDED, ended_at=day(6), closed_at=day(5)), day(5)),
        (standing(S.ENDED, closed_at=day(5)), day(5)),
        (standing(S.ENDED), START),
        (standing(S.ENDED, ended_at=day(-9)), START),
    ],
)
def test_row_of_the_status_table(held: Standing, expected: datetime) -> None:
    assert until(held) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (S.PENDING, START),
        # A trial asks for no money yet.
        (S.TRIALING, PERIOD_END + SLACK),
        (S.ACTIVE, START),
        (S.CANCELING, START),
        (S.PAST_DUE, START),
        (S.UNPAID, START),
        (S.PAUSED, START),
        (S.ENDED, START),
    ],
)
def test_item_whose_first_payment_is_awaited_gives_nothing(status: S, expected: datetime) -> None:
    assert until(standing(status), AWAITED) == expected


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        # A year was paid; a monthly item beside it fell behind.
        (standing(S.PAST_DUE, past_due_since=day(1)), day(300)),
        (standing(S.UNPAID, closed_at=day(5)), day(300)),
        # No more than collecting rests; what is paid was not given back.
        (replace(standing(S.PAUSED, closed_at=day(5)), keeps_paid=True), day(300)),
        (
            replace(standing(S.PAUSED, closed_at=day(5), cancel_at=day(40)), keeps_paid=True),
            day(40),
        ),
        # Here somebody decided: paid or not, it is over.
        (standing(S.PAUSED, closed_at=day(5)), day(5)),
        (standing(S.ENDED, ended_at=day(5)), day(5)),
        (standing(S.CANCELING, cancel_at=day(5)), day(5)),
    ],
)
def test_what_is_paid_stays_open_when_something_else_is_owed(
    held: Standing, expected: datetime
) -> None:
    assert until(held, ItemMoney(paid_through=day(300))) == expected


@pytest.mark.parametrize("status", [S.TRIALING, S.ACTIVE, S.CANCELING, S.PAST_DUE])
def test_money_taken_back_shuts_the_door_at_that_moment(status: S) -> None:
    assert until(standing(status), ItemMoney(taken_back_at=day(1))) == day(1)


def test_money_taken_back_opens_nothing_that_was_shut() -> None:
    held = standing(S.ENDED, ended_at=day(1))

    assert until(held, ItemMoney(taken_back_at=day(2))) == day(1)


instants = st.none() | st.integers(-40, 400).map(day)
standings = st.builds(
    Standing,
    status=st.sampled_from(S),
    trial_end=instants,
    cancel_at=instants,
    ended_at=instants,
    closed_at=instants,
    past_due_since=instants,
)
moneys = st.builds(
    ItemMoney, paid_through=instants, is_awaited=st.booleans(), taken_back_at=instants
)
spans = st.integers(0, 60).map(lambda days: timedelta(days=days))


@given(standings, moneys, spans, spans)
def test_access_never_ends_before_it_began(
    held: Standing, money: ItemMoney, slack: timedelta, grace: timedelta
) -> None:
    assert until(held, money, slack=slack, grace=grace) >= START


@given(standings, moneys, spans, spans, spans)
def test_more_grace_or_slack_never_shortens_access(
    held: Standing, money: ItemMoney, grace: timedelta, more: timedelta, slack: timedelta
) -> None:
    plain = until(held, money, grace=grace, slack=slack)

    assert until(held, money, grace=grace + more, slack=slack) >= plain
    assert until(held, money, grace=grace, slack=slack + more) >= plain


@given(standings, moneys, st.integers(-40, 400).map(day), spans)
def test_having_paid_further_never_shortens_access(
    held: Standing, money: ItemMoney, through: datetime, more: timedelta
) -> None:
    near = replace(money, paid_through=through)
    far = replace(money, paid_through=through + more)

    assert until(held, near) >= until(held, replace(money, paid_through=None))
    assert until(held, far) >= until(held, near)


@given(standings, moneys)
def test_money_that_is_gone_never_lengthens_access(held: Standing, money: ItemMoney) -> None:
    assert until(held, money) <= until(held, replace(money, taken_back_at=None))


@given(standings, st.integers(0, 400).map(day))
def test_what_others_owe_never_shortens_what_is_paid(held: Standing, through: datetime) -> None:
    owing = replace(held, status=S.PAST_DUE)

    assert until(owing, ItemMoney(paid_through=through)) >= through


@given(standings)
def test_what_nobody_pays_for_never_outlives_what_is_paid(held: Standing) -> None:
    unpaid = {S.UNPAID, S.PAUSED, S.ENDED}

    if held.status in unpaid and held.closed_at is not None:
        assert until(held) <= max(held.closed_at, START)
