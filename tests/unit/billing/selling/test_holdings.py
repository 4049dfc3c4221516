"""What is not sold, because the client has it: every status of a subscription has its row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from billing.derive import Plans
from billing.model import AlreadyHeld, Interval, Plan, PlanFeature, Remedy, Settling
from billing.selling.holdings import Holding, covers, find_held, to_holdings
from billing.views import ItemView, SubscriptionView
from policies.model import SubscriptionStatus as Status
from tests.support.plans import make_plan

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SMALL = make_plan("reader")
LARGE = make_plan("team", apps=("notes", "wiki"))
OTHER = make_plan("api", apps=("api",))
OWNED = make_plan("lifetime", interval=Interval.ONCE)
YEARLY = replace(LARGE, id="team_year", interval=Interval.YEAR)


def subscription(
    status: Status = Status.ACTIVE, *, name: str = "subscription-1", is_settling: bool = False
) -> SubscriptionView:
    return SubscriptionView(
        id=name,
        client_id="client-1",
        psp_sub_id="sub_1",
        status=status,
        items=(
            ItemView("si_1", "reader", 1, 2, NOW, NOW + timedelta(days=30), None),
            ItemView("si_2", None, None, 1, NOW, NOW + timedelta(days=30), None),
        ),
        started_at=NOW,
        trial_end=None,
        cancel_at=None,
        ended_at=None,
        until_at=None,
        is_verified=True,
        is_settling=is_settling,
    )


def holding(plan: Plan, status: Status, *, quantity: int = 1, is_settling: bool = False) -> Holding:
    return Holding(plan, quantity, subscription(status), is_settling=is_settling)


@pytest.mark.parametrize(
    ("status", "same", "smaller", "larger"),
    [
        # What a client is told who holds the small plan and wants the small, who holds the
        # large and wants the small, and who holds the small and wants the large.
        (Status.PENDING, None, None, None),
        (Status.TRIALING, Remedy.NOTHING, Remedy.NOTHING, Remedy.CHANGE),
        (Status.ACTIVE, Remedy.NOTHING, Remedy.NOTHING, Remedy.CHANGE),
        (Status.PAST_DUE, Remedy.MEND, Remedy.MEND, Remedy.MEND),
        (Status.UNPAID, Remedy.MEND, Remedy.MEND, Remedy.MEND),
        (Status.PAUSED, Remedy.MEND, Remedy.MEND, Remedy.MEND),
        (Status.CANCELING, Remedy.RESUME, Remedy.RESUME, Remedy.CHANGE),
        (Status.ENDED, None, None, None),
    ],
)
def test_a_plan_that_is_paid_for_already_is_not_sold(
    status: Status, same: Remedy | None, smaller: Remedy | None, larger: Remedy | None
) -> None:
    found = [
        find_held(SMALL, 1, [holding(SMALL, status)]),
        find_held(SMALL, 1, [holding(LARGE, status)]),
        find_held(LARGE, 1, [holding(SMALL, status)]),
    ]

    assert [held.remedy if isinstance(held, AlreadyHeld) else held for held in found] == [
        same,
        smaller,
        larger,
    ]


@pytest.mark.parametrize("status", [Status.PENDING, Status.ACTIVE, Status.CANCELING])
@pytest.mark.parametrize(("held", "wanted"), [(SMALL, SMALL), (LARGE, SMALL), (SMALL, LARGE)])
def test_a_first_payment_on_its_way_is_waited_for(status: Status, held: Plan, wanted: Plan) -> None:
    found = find_held(wanted, 1, [holding(held, status, is_settling=True)])

    assert found == Settling(wanted)


@pytest.mark.parametrize(("until_at", "is_settling"), [(None, True), (NOW, False)])
def test_only_what_opens_nothing_yet_waits_for_its_payment(
    until_at: datetime | None,
    is_settling: bool,
) -> None:
    plans = Plans({}, {("reader", 1): SMALL})
    held = subscription(is_settling=True)
    held = replace(held, items=(replace(held.items[0], until_at=until_at),))

    (found,) = to_holdings([held], [], plans)

    assert found.is_settling is is_settling


def test_another_plan_is_sold() -> None:
    assert find_held(OTHER, 1, [holding(LARGE, Status.ACTIVE), Holding(OWNED, 1)]) is None


def test_what_was_bought_for_ever_is_not_rented_again() -> None:
    assert find_held(SMALL, 1, [Holding(OWNED, 1)]) == AlreadyHeld(SMALL)


def test_what_is_rented_may_be_bought_for_ever() -> None:
    assert find_held(OWNED, 1, [holding(LARGE, Status.ACTIVE)]) is None


def test_a_trial_that_was_cancelled_is_resumed_to_go_on() -> None:
    held = replace(subscription(Status.TRIALING), cancel_at=NOW)

    found = find_held(SMALL, 1, [Holding(SMALL, 1, held)])

    assert found == AlreadyHeld(SMALL, Remedy.RESUME, "subscription-1")


def test_more_of_a_plan_is_a_change() -> None:
    found = find_held(SMALL, 3, [holding(SMALL, Status.ACTIVE, quantity=2)])

    assert found == AlreadyHeld(SMALL, Remedy.CHANGE, "subscription-1")


def test_a_subscription_that_ends_and_cannot_be_changed_is_in_nobody_s_way() -> None:
    assert find_held(YEARLY, 1, [holding(SMALL, Status.CANCELING)]) is None


def test_who_has_one_that_is_well_need_not_mend_another() -> None:
    holdings = [
        Holding(SMALL, 1, subscription(Status.PAST_DUE, name="ill")),
        Holding(SMALL, 1, subscription(Status.ACTIVE, name="well")),
    ]

    assert find_held(SMALL, 1, holdings) == AlreadyHeld(SMALL, Remedy.NOTHING, "well")


@pytest.mark.parametrize(
    ("given", "wanted", "is_enough"),
    [
        (10, 5, True),
        (5, 10, False),
        ("eu", "eu", True),
        ("eu", "us", False),
        (True, True, True),
        (True, 1, False),
        (5, False, True),
    ],
)
def test_a_plan_covers_another_feature_by_feature(
    given: bool | int | str,
    wanted: bool | int | str,
    is_enough: bool,
) -> None:
    held = replace(LARGE, features=(PlanFeature("notes", "seats", given),))
    other = replace(SMALL, features=(PlanFeature("notes", "seats", wanted),))

    assert covers(held, other) is is_enough


def test_items_of_unknown_prices_are_no_holdings() -> None:
    plans = Plans({}, {("reader", 1): SMALL, ("lifetime", 1): OWNED})
    held = subscription()

    found = to_holdings([held], [("lifetime", 1), ("gone", 1)], plans)

    assert found == [Holding(SMALL, 2, held), Holding(OWNED, 1)]
