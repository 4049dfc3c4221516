"""When a period ends: counted from its anchor, in the calendar's own steps."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.sandbox.clock import next_period_end_s

INTERVALS = st.sampled_from(["day", "week", "month", "year"])


def epoch(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}T09:30:00+00:00").timestamp())


@pytest.mark.parametrize(
    ("anchor", "after", "interval", "count", "end"),
    [
        ("2027-01-15", "2027-01-15", "month", 1, "2027-02-15"),
        ("2027-01-31", "2027-01-31", "month", 1, "2027-02-28"),
        # Back to the 31st after the short month, and not the 28th for good.
        ("2027-01-31", "2027-02-28", "month", 1, "2027-03-31"),
        ("2028-01-31", "2028-01-31", "month", 1, "2028-02-29"),
        ("2028-02-29", "2028-02-29", "year", 1, "2029-02-28"),
        ("2028-02-29", "2031-03-01", "year", 1, "2032-02-29"),
        ("2027-11-30", "2027-11-30", "month", 3, "2028-02-29"),
        ("2027-12-31", "2027-12-31", "day", 1, "2028-01-01"),
        ("2027-12-28", "2027-12-28", "week", 2, "2028-01-11"),
        ("2027-01-31", "2037-02-01", "month", 1, "2037-02-28"),
    ],
)
def test_end_of_a_period(anchor: str, after: str, interval: str, count: int, end: str) -> None:
    found = next_period_end_s(epoch(anchor), epoch(after), interval, count)

    assert datetime.fromtimestamp(found, UTC) == datetime.fromtimestamp(epoch(end), UTC)


@given(
    st.integers(1_500_000_000, 1_900_000_000), st.integers(0, 400_000_000), INTERVALS, st.just(1)
)
def test_end_lies_after_and_no_further_than_one_period(
    anchor_s: int, later_s: int, interval: str, count: int
) -> None:
    after_s = anchor_s + later_s

    end_s = next_period_end_s(anchor_s, after_s, interval, count)

    longest_s = {"day": 1, "week": 7, "month": 31, "year": 366}[interval] * 86_400
    assert after_s < end_s <= after_s + longest_s


@given(st.integers(1_500_000_000, 1_900_000_000), st.integers(0, 400_000_000), INTERVALS)
def test_ends_follow_one_another(anchor_s: int, later_s: int, interval: str) -> None:
    first = next_period_end_s(anchor_s, anchor_s + later_s, interval, 1)

    assert next_period_end_s(anchor_s, first - 1, interval, 1) == first
    assert next_period_end_s(anchor_s, first, interval, 1) > first
