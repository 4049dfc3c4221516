"""Until when an item opens doors: a row a status, then what holds of all."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.entitled_until import Standing, entitled_until
from policies.model import SubscriptionStatus as S

START = datetime.fromisoformat("2026-12-01T00:00:00+00:00")
PERIOD_END = START + timedelta(days=30)
SLACK = timedelta(hours=4)
GRACE = timedelta(days=3)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


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


def until(held: Standing, *, grace: timedelta = GRACE, slack: timedelta = SLACK) -> datetime:
    return entitled_until(held, PERIOD_END, from_at=START, slack=slack, grace=grace)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (standing(S.PENDING), START),
        (standing(S.TRIALING, trial_end=day(14)), day(14) + SLACK),
        (standing(S.TRIALING), PERIOD_END + SLACK),
        (standing(S.ACTIVE), PERIOD_END + SLACK),
        # A trial that is over counts no more.
        (standing(S.ACTIVE, trial_end=day(14)), PERIOD_END + SLACK),
        (standing(S.CANCELING), PERIOD_END),
        (standing(S.CANCELING, cancel_at=day(10)), day(10)),
        (standing(S.CANCELING, cancel_at=day(90)), PERIOD_END),
        # The provider has moved the period on to the month that nobody paid.
        (standing(S.PAST_DUE, past_due_since=day(1)), day(1) + GRACE),
        (standing(S.PAST_DUE), START + GRACE),
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
spans = st.integers(0, 60).map(lambda days: timedelta(days=days))


@given(standings, spans, spans)
def test_access_never_ends_before_it_began(
    held: Standing, slack: timedelta, grace: timedelta
) -> None:
    assert until(held, slack=slack, grace=grace) >= START


@given(standings, spans, spans, spans)
def test_more_grace_never_shortens_access(
    held: Standing, grace: timedelta, more: timedelta, slack: timedelta
) -> None:
    assert until(held, grace=grace + more, slack=slack) >= until(held, grace=grace, slack=slack)


@given(standings)
def test_what_nobody_pays_for_never_outlives_what_is_paid(held: Standing) -> None:
    unpaid = {S.UNPAID, S.PAUSED, S.ENDED}

    if held.status in unpaid and held.closed_at is not None:
        assert until(held) <= max(held.closed_at, START)
