"""From where on Redis is believed."""

import pytest

from billing.entitlements.trust import Trust

A, B = "a" * 40, "b" * 40


@pytest.fixture
def trust() -> Trust:
    """Trust that began where Postgres stood at transaction 100."""
    begun = Trust()
    begun.hear(is_hearing=True)
    begun.learn(100, begun.doubts)
    begun.answered(0, A)
    return begun


@pytest.mark.parametrize(("as_of", "is_fresh"), [(99, False), (100, True), (101, True)])
def test_what_has_seen_all_that_may_have_been_missed_is_fresh(
    trust: Trust, as_of: int, is_fresh: bool
) -> None:
    assert trust.covers(as_of) == is_fresh


def test_nothing_is_fresh_before_postgres_was_read() -> None:
    trust = Trust()
    trust.hear(is_hearing=True)

    assert not trust.covers(2**60)


def test_trust_once_begun_is_not_moved_by_every_reading(trust: Trust) -> None:
    trust.learn(200, trust.doubts)

    assert trust.covers(100)


def test_doubt_ends_it_until_the_next_reading(trust: Trust) -> None:
    trust.doubt()
    in_doubt = trust.covers(2**60)
    trust.learn(300, trust.doubts)

    assert (in_doubt, trust.covers(299), trust.covers(300)) == (False, False, True)


def test_reading_that_began_before_the_doubt_does_not_count(trust: Trust) -> None:
    begun = trust.doubts
    trust.doubt()

    trust.learn(300, begun)

    assert not trust.covers(2**60)


def test_who_does_not_hear_takes_up_no_trust(trust: Trust) -> None:
    trust.hear(is_hearing=False)

    trust.learn(300, trust.doubts)

    assert not trust.covers(2**60)


@pytest.mark.parametrize(
    ("answers", "is_trusted"),
    [
        ([(0, A)], True),
        ([(0, B)], False),
        ([(1, B)], True),
        ([(1, B), (0, A)], True),
        ([(1, B), (1, A)], False),
        ([(0, "")], False),
    ],
    ids=["same", "another", "another part's", "both", "part moved", "none"],
)
def test_another_server_in_the_place_of_one_ends_it(
    trust: Trust, answers: list[tuple[int, str]], is_trusted: bool
) -> None:
    for part, history in answers:
        trust.answered(part, history)

    assert trust.covers(100) == is_trusted


def test_going_back_and_forth_between_two_servers_never_is_trusted(trust: Trust) -> None:
    trust.answered(0, B)
    trust.learn(300, trust.doubts)

    trust.answered(0, A)

    assert not trust.covers(2**60)
