"""From the provider's object to our row: the same whoever asks, and never a surprise."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.facts import (
    DisputeState,
    PauseKind,
    PaymentKind,
    PaymentState,
    ProviderItem,
    ProviderPayment,
    ProviderSubscription,
)
from billing.model import Cause, Source
from billing.transitions import Known, Sighting, is_newer, observe, observe_payment
from policies.model import SubscriptionStatus as S
from tests.support.snapshots import CLIENT, NOW

DAY = timedelta(days=1)
CLOSED: frozenset[PauseKind] = frozenset()
BOUGHT = ProviderSubscription(
    psp_sub_id="sub_1",
    psp_customer_id="cus_1",
    livemode=False,
    raw_status="active",
    status=S.ACTIVE,
    pause=None,
    started_at=NOW,
    trial_end=None,
    cancel_at=None,
    ended_at=None,
    items=(ProviderItem("si_1", "price_reader_1", 1, NOW, NOW + 30 * DAY),),
    client_ref=CLIENT,
    psp_payment_id=None,
    raw="{}",
)
PAID = ProviderPayment(
    psp_payment_id="in_1",
    kind=PaymentKind.INVOICE,
    livemode=False,
    psp_customer_id="cus_1",
    psp_sub_id="sub_1",
    psp_intent_id="pi_1",
    amount_minor=500,
    currency="eur",
    state=PaymentState.PAID,
    refunded_minor=0,
    dispute=DisputeState.NONE,
    taken_back_at=None,
    lines=(),
    created_at=NOW,
    paid_at=NOW,
)


def known(status: S, **changes: object) -> Known:
    return replace(Known(status, NOW, None, None), **changes)  # type: ignore[arg-type] # by name


def seen(at: datetime, *, is_snapshot: bool = False) -> Sighting:
    return Sighting(1, at, at, Cause(Source.WEBHOOK, "psp:memory"), is_snapshot)


def test_first_sight_of_a_paid_subscription() -> None:
    observed = observe(BOUGHT, None, seen(NOW + DAY), CLOSED)

    assert (observed.status, observed.from_at, observed.verified) == (S.ACTIVE, NOW, True)


def test_access_begins_when_we_saw_it_though_the_provider_dates_it_ahead() -> None:
    ahead = replace(BOUGHT, started_at=NOW + DAY)

    assert observe(ahead, None, seen(NOW), CLOSED).from_at == NOW


def test_beginning_that_was_seen_is_not_moved_later() -> None:
    moved = replace(BOUGHT, started_at=NOW + DAY)

    assert observe(moved, known(S.ACTIVE), seen(NOW + 2 * DAY), CLOSED).from_at == NOW


@pytest.mark.parametrize("before", list(S))
def test_word_that_we_do_not_know_keeps_the_last_decision_and_asks_again(before: S) -> None:
    strange = replace(BOUGHT, raw_status="novel", status=None)

    observed = observe(strange, known(before), seen(NOW), CLOSED)

    assert (observed.status, observed.verified) == (before, False)


def test_word_that_we_do_not_know_at_first_sight_gives_nothing_yet() -> None:
    strange = replace(BOUGHT, raw_status="novel", status=None)

    assert observe(strange, None, seen(NOW), CLOSED).status is S.PENDING


def test_what_an_event_said_asks_for_another_look() -> None:
    assert not observe(BOUGHT, None, seen(NOW, is_snapshot=True), CLOSED).verified


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [
        (known(S.ACTIVE), S.PAST_DUE, NOW + DAY),
        (known(S.PAST_DUE, past_due_since=NOW), S.PAST_DUE, NOW),
        (known(S.PAST_DUE, past_due_since=NOW), S.ACTIVE, None),
        (known(S.ACTIVE, past_due_since=NOW), S.PAST_DUE, NOW),
        (None, S.PAST_DUE, NOW + DAY),
    ],
)
def test_first_sight_of_a_failed_renewal_is_dated_once(
    before: Known | None, after: S, since: object
) -> None:
    observed = observe(replace(BOUGHT, status=after), before, seen(NOW + DAY), CLOSED)

    assert observed.past_due_since == since


@pytest.mark.parametrize("closed", [S.UNPAID, S.PAUSED, S.ENDED])
def test_closing_is_dated_once_and_forgotten_when_it_opens_again(closed: S) -> None:
    shut = replace(BOUGHT, status=closed)
    first = observe(shut, known(S.ACTIVE), seen(NOW + DAY), CLOSED)
    held = known(closed, closed_at=first.closed_at)
    again = observe(shut, held, seen(NOW + 2 * DAY), CLOSED)
    opened = observe(BOUGHT, held, seen(NOW + 3 * DAY), CLOSED)

    assert (first.closed_at, again.closed_at, opened.closed_at) == (NOW + DAY, NOW + DAY, None)


ALL_PAUSES = frozenset(PauseKind)


@pytest.mark.parametrize(
    ("status", "pause", "open_pauses", "expected"),
    [
        (status, pause, open_pauses, S.PAUSED if is_shut else status)
        for status in S
        for pause in (None, *PauseKind)
        for open_pauses in (CLOSED, ALL_PAUSES)
        for is_shut in [pause is not None and not open_pauses and status in {S.ACTIVE, S.CANCELING}]
    ],
)
def test_pause_of_collection_shuts_what_would_be_open_unless_it_is_allowed(
    status: S, pause: PauseKind | None, open_pauses: frozenset[PauseKind], expected: S
) -> None:
    resting = replace(BOUGHT, status=status, pause=pause)

    assert observe(resting, None, seen(NOW), open_pauses).status is expected


# Every way from one status to another, forbidden ones of Stripe's too: what we do not
# expect must be told as it is, since the provider's word is the only truth.
@pytest.mark.parametrize("before", [None, *S])
@pytest.mark.parametrize("after", list(S))
def test_every_status_may_follow_every_other(before: S | None, after: S) -> None:
    held = known(before, closed_at=NOW, past_due_since=NOW) if before else None

    observed = observe(replace(BOUGHT, status=after), held, seen(NOW + DAY), CLOSED)

    assert observed.status is after
    assert (observed.closed_at is not None) is (after in {S.UNPAID, S.PAUSED, S.ENDED})
    assert (observed.past_due_since is not None) is (after is S.PAST_DUE)


@pytest.mark.parametrize(
    ("as_of", "status", "expected"),
    [
        (NOW + DAY, S.PENDING, True),
        (NOW - DAY, S.ENDED, False),
        # Events are dated by the second: of one second, the later in life is the newer.
        (NOW, S.ENDED, True),
        (NOW, S.ACTIVE, False),
        (NOW, S.PENDING, False),
        (NOW, None, False),
    ],
)
def test_snapshot_is_newer_by_its_time_and_then_by_its_place_in_life(
    as_of: datetime, status: S | None, expected: bool
) -> None:
    assert is_newer(as_of, status, (NOW, S.ACTIVE)) is expected


@given(st.sampled_from(S), st.sampled_from(S), st.integers(-1, 1))
def test_of_two_snapshots_at_most_one_is_newer(one: S, other: S, days: int) -> None:
    later = NOW + days * DAY

    assert not (is_newer(later, one, (NOW, other)) and is_newer(NOW, other, (later, one)))


@pytest.mark.parametrize(
    ("known_at", "expected"), [(None, NOW), (NOW - DAY, NOW - DAY), (NOW + DAY, NOW)]
)
def test_payment_was_made_no_later_than_it_was_seen(
    known_at: datetime | None, expected: datetime
) -> None:
    assert observe_payment(PAID, known_at, seen(NOW + 2 * DAY)).paid_at == expected


def test_payment_dated_ahead_was_made_when_we_saw_it() -> None:
    ahead = replace(PAID, paid_at=NOW + DAY)

    assert observe_payment(ahead, None, seen(NOW)).paid_at == NOW


def test_payment_that_did_not_come_has_no_date() -> None:
    assert observe_payment(replace(PAID, paid_at=None), NOW, seen(NOW)).paid_at is None
