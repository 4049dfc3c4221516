"""When a provider is left alone, and when it is asked again."""

import pytest

from billing.errors import UnavailableError
from billing.providers.stripe.breaker import Breaker


class Seconds:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def breaker(seconds: Seconds) -> Breaker:
    return Breaker(3, 10.0, seconds)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.enter()
        breaker.fail()


def test_failures_in_a_row_shut_it(breaker: Breaker) -> None:
    fail(breaker, 3)

    with pytest.raises(UnavailableError):
        breaker.enter()


def test_an_answer_in_between_begins_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeed()
    fail(breaker, 2)

    breaker.enter()
    assert not breaker.is_shut


def test_after_a_while_one_call_is_let_through_and_no_second(
    breaker: Breaker, seconds: Seconds
) -> None:
    fail(breaker, 3)
    seconds.now += 10

    breaker.enter()

    with pytest.raises(UnavailableError):
        breaker.enter()


def test_an_answer_to_the_trial_opens_it(breaker: Breaker, seconds: Seconds) -> None:
    fail(breaker, 3)
    seconds.now += 10
    breaker.enter()
    breaker.succeed()

    breaker.enter()
    assert not breaker.is_shut


def test_a_trial_that_fails_is_waited_on_again(breaker: Breaker, seconds: Seconds) -> None:
    fail(breaker, 3)
    seconds.now += 10
    breaker.enter()
    breaker.fail()
    seconds.now += 9

    with pytest.raises(UnavailableError):
        breaker.enter()


def test_a_trial_that_was_cancelled_gives_its_turn_to_the_next(
    breaker: Breaker, seconds: Seconds
) -> None:
    fail(breaker, 3)
    seconds.now += 10
    breaker.enter()
    breaker.leave()

    breaker.enter()
    assert breaker.is_shut
