"""The clock by which entitlements end: forward with the machine's, never back or slower."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SteadyClock
from tests.support.clock import Seconds

BEGUN_S = 1_800_000_000.0


@pytest.fixture
def wall_s() -> Seconds:
    return Seconds(BEGUN_S)


@pytest.fixture
def monotonic_s() -> Seconds:
    return Seconds(100.0)


@pytest.fixture
def clock(wall_s: Seconds, monotonic_s: Seconds) -> SteadyClock:
    return SteadyClock(wall_s=wall_s, monotonic_s=monotonic_s)


def seconds_of(clock: SteadyClock) -> float:
    return round((clock() - datetime.fromtimestamp(BEGUN_S, UTC)).total_seconds(), 3)


async def test_time_passes_while_the_machine_is_set_back(
    clock: SteadyClock, wall_s: Seconds, monotonic_s: Seconds
) -> None:
    wall_s.now_s -= 3600
    monotonic_s.now_s += 10
    wall_s.now_s += 10

    assert seconds_of(clock) == 10
    assert await clock.check() == (
        "the machine's clock was set back by 3600 s; entitlements go by the old time"
    )


async def test_clock_follows_the_machine_forward(clock: SteadyClock, wall_s: Seconds) -> None:
    wall_s.now_s += 3600

    assert seconds_of(clock) == 3600
    assert await clock.check() is None


async def test_clock_that_was_ahead_goes_by_the_machine_again_once_that_has_caught_up(
    clock: SteadyClock, wall_s: Seconds, monotonic_s: Seconds
) -> None:
    wall_s.now_s -= 60
    ahead = seconds_of(clock)
    wall_s.now_s += 90

    assert (ahead, seconds_of(clock)) == (0, 30)
    assert await clock.check() is None


def test_clock_is_never_behind_an_earlier_one_of_the_machine(
    clock: SteadyClock, wall_s: Seconds, monotonic_s: Seconds
) -> None:
    wall_s.now_s -= 3600

    heir = SteadyClock(clock.offset_s, wall_s, monotonic_s)

    assert heir() == clock()


@given(steps=st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e4))))
def test_any_steps_of_the_machine_give_no_second_twice(steps: list[tuple[float, float]]) -> None:
    wall_s, monotonic_s = Seconds(BEGUN_S), Seconds(100.0)
    clock = SteadyClock(wall_s=wall_s, monotonic_s=monotonic_s)

    for step_s, passed_s in steps:
        before = clock()
        wall_s.now_s += step_s + passed_s
        monotonic_s.now_s += passed_s

        # A microsecond is what a date can tell.
        assert (clock() - before).total_seconds() >= passed_s - 1e-5
        assert clock().timestamp() >= wall_s() - 1e-5
