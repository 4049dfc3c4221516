import pytest

from billing.oauth.limiter import Limiter, Rate
from tests.support.clock import Seconds


@pytest.fixture
def seconds() -> Seconds:
    return Seconds(1000.0)


@pytest.fixture
def limiter(seconds: Seconds) -> Limiter:
    return Limiter(Rate(3, 60.0), seconds)


def test_after_so_many_tries_one_has_to_wait(limiter: Limiter) -> None:
    waits = [limiter.take("ann") for _ in range(5)]

    assert waits == [0, 0, 0, 20, 20]


def test_who_waits_as_long_as_told_may_try_again(limiter: Limiter, seconds: Seconds) -> None:
    waits = [limiter.take("ann") for _ in range(4)]

    seconds.now_s += waits[-1]

    assert limiter.take("ann") == 0
    assert limiter.take("ann") > 0


def test_one_does_not_wait_for_another(limiter: Limiter) -> None:
    for _ in range(4):
        limiter.take("ann")

    assert limiter.take("bob") == 0


def test_what_turned_out_well_does_not_count(limiter: Limiter) -> None:
    for _ in range(10):
        assert limiter.take("ann") == 0
        limiter.give_back("ann")


def test_nothing_is_saved_up(limiter: Limiter, seconds: Seconds) -> None:
    limiter.give_back("ann")
    seconds.now_s += 3600

    assert [limiter.take("ann") for _ in range(4)] == [0, 0, 0, 20]


def test_a_crowd_of_keys_takes_no_more_memory(limiter: Limiter) -> None:
    for number in range(25_000):
        limiter.take(str(number))

    assert len(limiter._buckets) == 20_000
