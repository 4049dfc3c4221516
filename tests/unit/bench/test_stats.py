"""Medians, spreads, ratios, and how they stand to targets and floors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.requests import ratios_of
from bench.stats import Spread, ratio_of, spread_of
from bench.targets import Met, Target
from tests.support.measured import make_stack

POSITIVE = st.floats(min_value=1e-3, max_value=1e6)


@given(st.lists(POSITIVE, min_size=1, max_size=20))
def test_a_median_lies_within_its_spread(values: list[float]) -> None:
    spread = spread_of(values)

    assert spread.least <= spread.median <= spread.most
    assert {spread.least, spread.most} <= set(values)


def test_a_noisy_round_that_hits_both_leaves_the_ratio_alone() -> None:
    assert ratio_of([30, 300, 30], [60, 600, 60]) == Spread(median=0.5, least=0.5, most=0.5)


def test_rounds_that_do_not_pair_are_an_error() -> None:
    with pytest.raises(ValueError, match="longer"):
        ratio_of([1, 2], [1, 2, 3])


def test_ratios_are_ours_through_theirs() -> None:
    stacks = (make_stack("tollway", 30, 40, 50), make_stack("nginx-auth", 40, 40, 40))

    (ratio,) = ratios_of(stacks)

    assert ratio.ratio.median == pytest.approx(1.0)
    assert ratio.met is Met.TARGET


def test_without_us_there_is_no_ratio() -> None:
    assert ratios_of((make_stack("nginx", 20), make_stack("haproxy", 20))) == ()


def test_a_stack_without_a_target_is_not_judged() -> None:
    (ratio,) = ratios_of((make_stack("tollway", 30), make_stack("haproxy", 20)))

    assert (ratio.target, ratio.met) == (None, None)


@pytest.mark.parametrize(
    ("value", "met", "gap"),
    [(0.9, Met.TARGET, 0), (1.0, Met.TARGET, 0), (1.2, Met.FLOOR, 0.2), (1.6, Met.NEITHER, 0.6)],
)
def test_less_is_better_for_costs(value: float, met: Met, gap: float) -> None:
    target = Target(target=1.0, floor=1.5)

    assert target.judge(value) is met
    assert target.gap(value) == pytest.approx(gap)


@pytest.mark.parametrize(
    ("value", "met", "gap"),
    [
        (1.9, Met.TARGET, 0),
        (1.8, Met.TARGET, 0),
        (1.7, Met.FLOOR, 0.1 / 1.8),
        (1, Met.NEITHER, 0.8 / 1.8),
    ],
)
def test_more_is_better_for_throughput(value: float, met: Met, gap: float) -> None:
    target = Target(target=1.8, floor=1.6, more_is_better=True)

    assert target.judge(value) is met
    assert target.gap(value) == pytest.approx(gap)
