from datetime import UTC, datetime, timedelta

import pytest

from billing.oauth.rotation import LEEWAY, LONGEST_TOKEN, Phase, is_due, phases_of
from billing.storage.signing_keys import StoredKey

T0 = datetime(2026, 12, 1, tzinfo=UTC)
DELAY = timedelta(minutes=10)
SECOND = timedelta(seconds=1)
MADE = T0 + timedelta(days=90)
TURN = MADE + DELAY
END = TURN + LONGEST_TOKEN + LEEWAY


def key(kid: str, created_at: datetime, signs_from_at: datetime) -> StoredKey:
    return StoredKey(kid, b"sealed", created_at, signs_from_at)


OLD, NEW = key("old", T0, T0), key("new", MADE, TURN)


@pytest.mark.parametrize(
    ("now", "old", "new"),
    [
        (MADE, Phase.SIGNING, Phase.PUBLISHED),
        (TURN - SECOND, Phase.SIGNING, Phase.PUBLISHED),
        (TURN, Phase.VERIFYING, Phase.SIGNING),
        (END - SECOND, Phase.VERIFYING, Phase.SIGNING),
        (END, Phase.GONE, Phase.SIGNING),
    ],
)
def test_a_key_takes_over_at_its_instant_and_the_one_before_ends_later(
    now: datetime, old: Phase, new: Phase
) -> None:
    assert phases_of([OLD, NEW], now) == {"old": old, "new": new}


def test_an_erased_key_is_gone() -> None:
    erased = StoredKey("old", None, T0, T0)

    assert phases_of([erased, NEW], TURN) == {"old": Phase.GONE, "new": Phase.SIGNING}


def test_at_every_instant_one_key_signs_and_no_other() -> None:
    third = key("third", MADE + SECOND, TURN + SECOND)
    for minutes in range(0, 200_000, 7):
        phases = phases_of([OLD, NEW, third], T0 + timedelta(minutes=minutes))

        assert list(phases.values()).count(Phase.SIGNING) == 1


@pytest.mark.parametrize(
    ("keys", "now", "due"),
    [
        ([], T0, True),
        ([OLD], T0 + timedelta(days=90) - SECOND, False),
        ([OLD], T0 + timedelta(days=90), True),
        # Made, though it does not sign yet: another look must not make a third.
        ([OLD, NEW], MADE + SECOND, False),
    ],
)
def test_a_key_is_due_when_the_newest_is_old(
    keys: list[StoredKey], now: datetime, *, due: bool
) -> None:
    assert is_due(keys, now, timedelta(days=90)) is due
