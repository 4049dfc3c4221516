"""Money, dates and states as a visitor reads them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from billing.model import Interval, Subscription
from checkout_pages.presentation import (
    is_cancellable,
    is_endable,
    say_amount,
    say_instant,
    say_price,
    say_state,
)
from policies.model import SubscriptionStatus as Status
from tests.support.plans import make_plan

UNTIL = datetime(2026, 12, 31, 12, tzinfo=UTC)
UNTIL_SAID = "31 December 2026, 12:00 UTC"
HELD = Subscription(
    id="1",
    psp_sub_id="sub_1",
    status=Status.ACTIVE,
    plan_names=("Reader",),
    plan_ids=("reader",),
    until_at=UNTIL,
    cancel_at=None,
    is_open=True,
    is_settling=False,
)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "said"),
    [
        (500, "eur", "5 €"),
        (499, "usd", "4.99 $"),
        (505, "gbp", "5.05 £"),
        (5, "eur", "0.05 €"),
        (0, "eur", "0 €"),
        (500, "jpy", "500 ¥"),
        (500, "krw", "500 KRW"),
        (1234, "kwd", "1.234 KWD"),
        (1004, "bhd", "1.004 BHD"),
        (123456789, "sek", "1234567.89 SEK"),
    ],
)
def test_an_amount_is_said_in_its_currency_s_units(
    amount_minor: int, currency: str, said: str
) -> None:
    assert say_amount(amount_minor, currency) == said.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (Interval.MONTH, "5\N{NO-BREAK SPACE}€ a month"),
        (Interval.YEAR, "5\N{NO-BREAK SPACE}€ a year"),
        (Interval.ONCE, "5\N{NO-BREAK SPACE}€ once, for good"),
    ],
)
def test_a_price_says_how_often_it_is_paid(interval: Interval, said: str) -> None:
    assert say_price(make_plan(interval=interval)) == said


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (UNTIL, "31 December 2026, 12:00 UTC"),
        (datetime(2027, 1, 2, 3, 4, tzinfo=UTC), "2 January 2027, 03:04 UTC"),
        (
            datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            "31 December 2026, 23:00 UTC",
        ),
    ],
)
def test_an_instant_is_said_in_utc(at: datetime, said: str) -> None:
    assert say_instant(at) == said


@pytest.mark.parametrize(
    ("status", "said", "may_cancel"),
    [
        (Status.PENDING, "Waiting for the first payment", False),
        (Status.TRIALING, "On trial", True),
        (Status.ACTIVE, "Paid", True),
        (
            Status.PAST_DUE,
            f"The last payment failed; stays open until {UNTIL_SAID}, while it is tried again",
            True,
        ),
        (Status.UNPAID, "Unpaid", False),
        (Status.PAUSED, "Paused", False),
        (Status.CANCELING, "Cancelled; stays open until 31 December 2026, 12:00 UTC", False),
        (Status.ENDED, "Ended", False),
    ],
)
def test_every_state_has_its_sentence_and_its_button(
    status: Status, said: str, *, may_cancel: bool
) -> None:
    held = replace(HELD, status=status)

    assert (say_state(held), is_cancellable(held)) == (said, may_cancel)


@pytest.mark.parametrize("status", [Status.CANCELING, Status.PAST_DUE])
def test_a_state_whose_end_is_not_known_promises_none(status: Status) -> None:
    held = replace(HELD, status=status, until_at=None)

    assert "until" not in say_state(held)


def test_a_cancelled_subscription_is_open_until_its_own_end() -> None:
    held = replace(HELD, status=Status.CANCELING, cancel_at=UNTIL - timedelta(days=1))

    assert say_state(held) == "Cancelled; stays open until 30 December 2026, 12:00 UTC"


@pytest.mark.parametrize("status", [Status.TRIALING, Status.ACTIVE, Status.CANCELING])
@pytest.mark.parametrize(
    ("is_settling", "said", "may_end"),
    [
        (False, "Opens nothing now: its last payment went back to you, or did not come", True),
        (True, "Your payment is on its way; it opens once that has come", False),
    ],
)
def test_what_runs_and_is_shut_is_called_neither_paid_nor_open(
    status: Status, said: str, *, is_settling: bool, may_end: bool
) -> None:
    held = replace(HELD, status=status, is_open=False, is_settling=is_settling)

    assert (say_state(held), is_endable(held)) == (said, may_end)


@pytest.mark.parametrize("status", Status)
def test_what_opens_a_door_has_no_button_that_shuts_it(status: Status) -> None:
    assert not is_endable(replace(HELD, status=status))
