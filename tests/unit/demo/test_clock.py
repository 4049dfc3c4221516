"""Periods of the sandbox: counted from their anchor, by the calendar."""

import calendar
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.sandbox.clock import next_period_end_s

_LONGEST_S = {"day": 86_400, "week": 7 * 86_400, "month": 31 * 86_400, "year": 366 * 86_400}

_ANCHORS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - see map
    lambda at: int(at.replace(tzinfo=UTC).timestamp())
)
_AFTER = st.integers(0, 10 * 366 * 86_400)
_INTERVALS = st.sampled_from(["day", "week", "month", "year"])
_COUNTS = st.integers(1, 12)


def _at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 10, 30, tzinfo=UTC).timestamp())


@given(_ANCHORS, _AFTER, _INTERVALS, _COUNTS)
@settings(deadline=None)
def test_end_lies_after_and_within_one_period(
    anchor: int, after: int, interval: str, count: int
) -> None:
    end = next_period_end_s(anchor, anchor + after, interval, count)

    assert anchor + after < end <= anchor + after + count * _LONGEST_S[interval]


@given(_ANCHORS, _AFTER, _AFTER, _INTERVALS, _COUNTS)
@settings(deadline=None)
def test_end_never_goes_back_when_time_goes_on(
    anchor: int, one: int, other: int, interval: str, count: int
) -> None:
    earlier, later = sorted((anchor + one, anchor + other))

    ends = [next_period_end_s(anchor, after, interval, count) for after in (earlier, later)]

    assert ends == sorted(ends)


@given(_ANCHORS, _AFTER, _INTERVALS, _COUNTS)
@settings(deadline=None)
def test_every_moment_of_a_period_has_the_same_end(
    anchor: int, after: int, interval: str, count: int
) -> None:
    end = next_period_end_s(anchor, anchor + after, interval, count)

    assert next_period_end_s(anchor, end - 1, interval, count) == end


@given(_ANCHORS, _AFTER, st.sampled_from(["month", "year"]), _COUNTS)
@settings(deadline=None)
def test_end_keeps_the_day_and_the_hour_of_the_anchor(
    anchor: int, after: int, interval: str, count: int
) -> None:
    begun = datetime.fromtimestamp(anchor, UTC)

    end = datetime.fromtimestamp(next_period_end_s(anchor, anchor + after, interval, count), UTC)

    assert end.time() == begun.time()
    assert end.day == min(begun.day, calendar.monthrange(end.year, end.month)[1])


@given(_ANCHORS, _INTERVALS, _COUNTS)
@settings(deadline=None)
def test_periods_follow_each_other_without_skipping_one(
    anchor: int, interval: str, count: int
) -> None:
    ends = [anchor]
    for _ in range(15):
        ends.append(next_period_end_s(anchor, ends[-1], interval, count))

    assert all(0 < b - a <= count * _LONGEST_S[interval] for a, b in pairwise(ends))


@pytest.mark.parametrize(
    ("anchor", "after", "interval", "end"),
    [
        (_at(2027, 1, 31), _at(2027, 1, 31), "month", _at(2027, 2, 28)),
        (_at(2028, 1, 31), _at(2028, 1, 31), "month", _at(2028, 2, 29)),
        (_at(2027, 1, 31), _at(2027, 2, 28), "month", _at(2027, 3, 31)),
        (_at(2027, 1, 31), _at(2027, 3, 31), "month", _at(2027, 4, 30)),
        (_at(2027, 1, 31), _at(2027, 12, 31), "month", _at(2028, 1, 31)),
        (_at(2027, 1, 30), _at(2027, 1, 30), "month", _at(2027, 2, 28)),
        (_at(2027, 12, 15), _at(2027, 12, 15), "month", _at(2028, 1, 15)),
        (_at(2028, 2, 29), _at(2028, 2, 29), "year", _at(2029, 2, 28)),
        (_at(2028, 2, 29), _at(2031, 2, 28), "year", _at(2032, 2, 29)),
        (_at(2027, 3, 28), _at(2027, 3, 28), "day", _at(2027, 3, 29)),
        (_at(2027, 12, 29), _at(2027, 12, 29), "week", _at(2028, 1, 5)),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_period_ends_by_the_calendar(anchor: int, after: int, interval: str, end: int) -> None:
    assert next_period_end_s(anchor, after, interval, 1) == end
