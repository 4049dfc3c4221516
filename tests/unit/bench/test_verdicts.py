"""What may be answered when: the judge of soaks and outages, by rows."""

import pytest

from bench.trouble.verdicts import (
    Answer,
    Change,
    Excuse,
    Fault,
    Held,
    History,
    Judge,
    Outage,
    Promise,
    Seen,
)

_PROMISE = Promise(hears_s=1.0, refuses_on_s=4.0, recovers_s=5.0)
_PAID = Held(1000.0)
_UNTIL_60 = Held(60.0)
_NOTHING = Held(None)
_BARRED = Held(1000.0, is_blocked=True)
_DOWN = Outage("down", 20.0, 30.0, frozenset({Excuse.STALE, Excuse.UNAVAILABLE}))
_KILLED = Outage("killed", 20.0, 21.0, frozenset({Excuse.BROKEN}))

OVER, WRONG, UNEXCUSED, BROKEN = Fault


def fault_of(
    changes: list[tuple[float, Held]], answer: Answer, at_s: float, outages: list[Outage]
) -> Fault | None:
    history = History()
    for done_s, held in changes:
        history.add(7, Change(done_s - 0.1, done_s, held))
    return Judge(history, outages, _PROMISE).judge(Seen(7, at_s, at_s + 0.1, answer))


@pytest.mark.parametrize(
    ("changes", "answer", "at_s", "outages", "fault"),
    [
        ([], Answer.ALLOWED, 10, [], OVER),
        ([], Answer.UNPAID, 10, [], None),
        ([(5, _PAID)], Answer.ALLOWED, 10, [], None),
        ([(5, _PAID)], Answer.ALLOWED, 4.85, [], None),
        ([(5, _PAID)], Answer.ALLOWED, 4.5, [], OVER),
        ([(5, _PAID)], Answer.UNPAID, 8.9, [], None),
        ([(5, _PAID)], Answer.UNPAID, 9.1, [], WRONG),
        ([(5, _PAID), (10, _NOTHING)], Answer.ALLOWED, 10.9, [], None),
        ([(5, _PAID), (10, _NOTHING)], Answer.ALLOWED, 11.1, [], OVER),
        ([(5, _PAID), (10, _NOTHING)], Answer.UNPAID, 10.5, [], None),
        ([(5, _PAID), (10, _NOTHING)], Answer.UNPAID, 9.5, [], WRONG),
        ([(5, _PAID), (10, _NOTHING), (20, _PAID)], Answer.UNPAID, 23, [], None),
        ([(5, _PAID), (10, _NOTHING), (20, _PAID)], Answer.UNPAID, 25, [], WRONG),
        ([(5, _UNTIL_60)], Answer.ALLOWED, 59.9, [], None),
        ([(5, _UNTIL_60)], Answer.ALLOWED, 60.1, [], OVER),
        ([(5, _UNTIL_60)], Answer.UNPAID, 60.1, [], None),
        ([(5, _UNTIL_60)], Answer.UNPAID, 59.95, [], None),
        ([(5, _UNTIL_60)], Answer.UNPAID, 59.8, [], WRONG),
        ([(5, _PAID), (10, _BARRED)], Answer.BLOCKED, 10.5, [], None),
        ([(5, _PAID), (10, _BARRED)], Answer.ALLOWED, 11.5, [], OVER),
        ([(5, _PAID), (10, _BARRED)], Answer.UNPAID, 12, [], WRONG),
        ([(5, _PAID)], Answer.BLOCKED, 10, [], WRONG),
        ([(5, _PAID), (10, _BARRED)], Answer.ENDED, 10.5, [], None),
        ([(5, _PAID), (10, _NOTHING)], Answer.ENDED, 10.5, [], None),
        ([(5, _PAID)], Answer.ENDED, 10, [], WRONG),
        # What was true before an outage may be acted on until it is over, but not past its end.
        ([(5, _PAID), (19.5, _NOTHING)], Answer.ALLOWED, 35.9, [_DOWN], None),
        ([(5, _PAID), (19.5, _NOTHING)], Answer.ALLOWED, 36.1, [_DOWN], OVER),
        ([(5, _PAID), (18.5, _NOTHING)], Answer.ALLOWED, 20, [_DOWN], OVER),
        ([(5, _PAID), (25, _NOTHING)], Answer.ALLOWED, 35, [_DOWN], None),
        ([(5, Held(27.0)), (25, _NOTHING)], Answer.ALLOWED, 27.1, [_DOWN], OVER),
        # An outage excuses no refusal.
        ([(5, _PAID)], Answer.UNPAID, 25, [_DOWN], WRONG),
        ([(5, _NOTHING), (21, _PAID)], Answer.UNPAID, 24, [_DOWN], None),
        ([(5, _NOTHING), (21, _PAID)], Answer.UNPAID, 26, [_DOWN], WRONG),
        ([(5, _PAID)], Answer.UNAVAILABLE, 25, [_DOWN], None),
        ([(5, _PAID)], Answer.UNAVAILABLE, 34.9, [_DOWN], None),
        ([(5, _PAID)], Answer.UNAVAILABLE, 35.1, [_DOWN], UNEXCUSED),
        ([(5, _PAID)], Answer.UNAVAILABLE, 19, [_DOWN], UNEXCUSED),
        ([(5, _PAID)], Answer.BROKEN, 25, [_DOWN], BROKEN),
        ([(5, _PAID)], Answer.BROKEN, 20.5, [_KILLED], None),
        ([(5, _PAID)], Answer.UNAVAILABLE, 20.5, [_KILLED], UNEXCUSED),
    ],
)
def test_what_may_be_answered_when(
    changes: list[tuple[float, Held]],
    answer: Answer,
    at_s: float,
    outages: list[Outage],
    fault: Fault | None,
) -> None:
    assert fault_of(changes, answer, at_s, outages) is fault


def test_faults_are_counted_and_the_first_of_each_kind_are_kept() -> None:
    seen = [Seen(7, at_s, at_s, Answer.ALLOWED, "ab"[at_s % 2]) for at_s in range(100)]

    counted, first = Judge(History(), [], _PROMISE).count(seen)

    assert counted == {OVER: 100}
    assert [each.begun_s for _, each in first] == list(range(6))
