"""The knobs of delivery: what they take, and that a run repeats."""

import pytest

from demo.sandbox.knobs import Knobs, draw_fate, parse_knobs

_MANY = range(2000)


def test_knobs_as_they_stand_let_everything_arrive_at_once() -> None:
    fates = {draw_fate(Knobs(), number) for number in _MANY}

    assert {(f.is_dropped, f.copies) for f in fates} == {(False, ((0.0, 0.0),))}


def test_same_seed_brings_the_same_luck() -> None:
    knobs = Knobs(seed=7, duplicate=0.5, drop=0.3, reorder=9, delay_s=(1, 5))

    assert [draw_fate(knobs, n) for n in _MANY] == [draw_fate(knobs, n) for n in _MANY]


def test_other_seed_brings_other_luck() -> None:
    one, other = Knobs(seed=1, drop=0.5), Knobs(seed=2, drop=0.5)

    assert [draw_fate(one, n) for n in _MANY] != [draw_fate(other, n) for n in _MANY]


def test_turning_one_knob_leaves_the_luck_of_the_others() -> None:
    alone, together = Knobs(seed=3, drop=0.5), Knobs(seed=3, drop=0.5, duplicate=0.9, reorder=4)

    luck = [[draw_fate(knobs, n).is_dropped for n in _MANY] for knobs in (alone, together)]

    assert luck[0] == luck[1]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_shares_come_about(share: float) -> None:
    fates = [draw_fate(Knobs(drop=share, duplicate=share), n) for n in _MANY]

    dropped = sum(fate.is_dropped for fate in fates) / len(fates)
    twice = sum(len(fate.copies) == 2 for fate in fates) / len(fates)

    assert dropped == pytest.approx(share, abs=0.05)
    assert twice == pytest.approx(share, abs=0.05)


def test_delays_and_places_stay_within_their_bounds() -> None:
    knobs = Knobs(duplicate=1.0, reorder=3, delay_s=(2, 4))

    ways = [way for n in _MANY for way in draw_fate(knobs, n).copies]

    assert all(2 <= delay_s <= 4 and 0 <= places <= 3 for delay_s, places in ways)
    assert {round(places) for _, places in ways} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"drop": 2}', "drop"),
        ('{"drop": -0.1}', "drop"),
        ('{"drop": NaN}', "all|drop"),
        ('{"reorder": 1001}', "reorder"),
        ('{"delay_s": [5, 1]}', "the least comes first"),
        ('{"delay_s": [1]}', "delay_s"),
        ('{"at_once": 0}', "at_once"),
        ('{"payload": "fat"}', "payload"),
        ('{"colour": "red"}', "colour"),
        ("[]", "all"),
        ("{", "all"),
    ],
)
def test_wrong_knob_is_named(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_knobs(text)
