from datetime import UTC, datetime, timedelta

from billing.oauth.denials import CountedDenials

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_a_minute_is_one_tally() -> None:
    denials = CountedDenials()
    denials.note("a", NOW)
    denials.note("a", NOW + MINUTE / 2)
    denials.note("b", NOW + MINUTE / 2)

    early = denials.take_due(NOW + MINUTE * 0.99)
    tally = denials.take_due(NOW + MINUTE)

    assert early is None
    assert tally is not None
    assert (tally.from_at, tally.until_at) == (NOW, NOW + MINUTE)
    assert tally.counts == {"a": 2, "b": 1}
    assert denials.take_due(NOW + MINUTE * 9) is None


def test_a_crowd_of_kinds_is_told_as_other() -> None:
    denials = CountedDenials()
    for number in range(1000):
        denials.note(str(number), NOW)

    tally = denials.take_due(NOW, whole=True)

    assert tally is not None
    assert len(tally.counts) == 201
    assert tally.counts["other"] == 800


def test_what_could_not_be_written_is_due_a_minute_later_with_what_came_since() -> None:
    denials = CountedDenials()
    denials.note("a", NOW)
    tally = denials.take_due(NOW + MINUTE)
    assert tally is not None
    denials.note("a", NOW + MINUTE)
    denials.put_back(tally)

    assert denials.take_due(NOW + MINUTE * 1.99) is None
    again = denials.take_due(NOW + MINUTE * 2)

    assert again is not None
    assert again.from_at == NOW
    assert again.counts == {"a": 2}
