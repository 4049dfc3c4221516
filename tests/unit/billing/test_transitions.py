"""From the provider's object to our rows: the same whoever asks, and never a surprise."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.facts import ProviderItem, ProviderSubscription
from billing.model import Interval
from billing.transitions import Known, grants_of, observe, order_grants
from policies.model import SubscriptionStatus as S
from tests.support.plans import make_plan
from tests.support.snapshots import CLIENT, NOW

DAY = timedelta(days=1)
SLACK = timedelta(hours=4)
READER, TEAM = make_plan("reader"), make_plan("team", apps=("notes", "wiki"))
PLANS = {plan.psp_price_id: plan for plan in (READER, TEAM)}
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
    items=(ProviderItem("si_1", READER.psp_price_id, 1, NOW, NOW + 30 * DAY),),
    client_ref=CLIENT,
    psp_payment_id=None,
    raw="{}",
)


def known(status: S, **changes: object) -> Known:
    return replace(Known(status, NOW, None, None), **changes)  # type: ignore[arg-type] # by name


def test_first_sight_of_a_paid_subscription() -> None:
    observed = observe(BOUGHT, None, NOW + DAY)

    assert (observed.status, observed.from_at, observed.verified) == (S.ACTIVE, NOW, True)


def test_access_begins_when_we_saw_it_though_the_provider_dates_it_ahead() -> None:
    ahead = replace(BOUGHT, started_at=NOW + DAY)

    assert observe(ahead, None, NOW).from_at == NOW


def test_beginning_that_was_seen_is_not_moved_later() -> None:
    moved = replace(BOUGHT, started_at=NOW + DAY)

    assert observe(moved, known(S.ACTIVE), NOW + 2 * DAY).from_at == NOW


@pytest.mark.parametrize("before", list(S))
def test_word_that_we_do_not_know_keeps_the_last_decision_and_asks_again(before: S) -> None:
    strange = replace(BOUGHT, raw_status="novel", status=None)

    observed = observe(strange, known(before), NOW)

    assert (observed.status, observed.verified) == (before, False)


def test_word_that_we_do_not_know_at_first_sight_gives_nothing_yet() -> None:
    strange = replace(BOUGHT, raw_status="novel", status=None)

    assert observe(strange, None, NOW).status is S.PENDING


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
def test_grace_is_counted_from_the_first_failed_renewal(
    before: Known | None, after: S, since: object
) -> None:
    observed = observe(replace(BOUGHT, status=after), before, NOW + DAY)

    assert observed.past_due_since == since


@pytest.mark.parametrize("closed", [S.UNPAID, S.PAUSED, S.ENDED])
def test_closing_is_dated_once_and_forgotten_when_it_opens_again(closed: S) -> None:
    first = observe(replace(BOUGHT, status=closed), known(S.ACTIVE), NOW + DAY)
    again = observe(
        replace(BOUGHT, status=closed), known(closed, closed_at=first.closed_at), NOW + 2 * DAY
    )
    opened = observe(BOUGHT, known(closed, closed_at=first.closed_at), NOW + 3 * DAY)

    assert (first.closed_at, again.closed_at, opened.closed_at) == (NOW + DAY, NOW + DAY, None)


def test_every_item_grants_what_its_own_plan_gives_for_its_own_period() -> None:
    two = replace(
        BOUGHT,
        items=(
            *BOUGHT.items,
            ProviderItem("si_2", TEAM.psp_price_id, 1, NOW, NOW + 365 * DAY),
        ),
    )

    facts = grants_of(two, observe(two, None, NOW), PLANS, SLACK)

    assert {(f.source_id, f.app_id, f.until_at) for f in facts} == {
        ("si_1", "notes", NOW + 30 * DAY + SLACK),
        ("si_2", "notes", NOW + 365 * DAY + SLACK),
        ("si_2", "wiki", NOW + 365 * DAY + SLACK),
    }


def test_price_that_no_plan_has_grants_nothing_and_spoils_nothing() -> None:
    strange = replace(
        BOUGHT,
        items=(ProviderItem("si_9", "price_other", 1, NOW, NOW + 30 * DAY), *BOUGHT.items),
    )

    facts = grants_of(strange, observe(strange, None, NOW), PLANS, SLACK)

    assert [f.source_id for f in facts] == ["si_1"]


def test_grant_tells_the_version_that_was_bought() -> None:
    old, new = make_plan("reader", version=1), make_plan("reader", version=2)

    facts = grants_of(
        BOUGHT,
        observe(BOUGHT, None, NOW),
        {plan.psp_price_id: plan for plan in (old, new)},
        SLACK,
    )

    assert [(f.plan, f.version) for f in facts] == [("reader", 1)]


def test_order_is_granted_for_ever() -> None:
    facts = order_grants(make_plan("lifetime", interval=Interval.ONCE), "cs_1", NOW)

    assert [(f.source, f.source_id, f.from_at, f.until_at) for f in facts] == [
        ("order", "cs_1", NOW, None)
    ]
