"""What apps are told of a client's standing."""

from datetime import timedelta

import pytest

from policies.entitlement import entitlement_of, next_change
from policies.model import Grant
from tests.support.snapshots import NOW, make_block, make_grant, make_snapshot

DAY = timedelta(days=1)


def test_nothing_held_is_no_plan_and_no_features() -> None:
    held = entitlement_of(make_snapshot(version=7), "notes", NOW)

    assert (held.plan, held.status, held.features, held.valid_until) == (None, None, (), None)
    assert held.version == 7


def test_features_of_all_live_grants_are_told_by_name() -> None:
    snapshot = make_snapshot(
        make_grant(feature="seats", value=10), make_grant(), make_grant(feature="x", until_at=NOW)
    )

    held = entitlement_of(snapshot, "notes", NOW)

    assert held.features == (("access", True), ("seats", 10))


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (5, 10, 10),
        (True, "large", True),
        (False, True, True),
        (False, 3, False),
    ],
)
def test_values_of_one_feature_are_merged_in_either_order(
    one: bool | int | str, other: bool | int | str, told: bool | int | str
) -> None:
    first = make_grant(feature="f", value=one, until_at=NOW + 2 * DAY)
    second = make_grant(feature="f", value=other)

    told_forward = entitlement_of(make_snapshot(first, second), "notes", NOW).features
    told_backward = entitlement_of(make_snapshot(second, first), "notes", NOW).features

    assert told_forward == told_backward == (("f", told),)


@pytest.mark.parametrize(
    ("best", "others"),
    [
        ("active", ["past_due", "canceling", "trialing"]),
        ("trialing", ["canceling", "past_due"]),
        ("canceling", ["past_due"]),
    ],
)
def test_best_standing_is_told_so_that_an_unpaid_item_hides_no_paid_one(
    best: str, others: list[str]
) -> None:
    grants = [make_grant(status=status, plan=status) for status in [*others, best]]

    held = entitlement_of(make_snapshot(*grants), "notes", NOW)

    assert (held.status, held.plan) == (best, best)


@pytest.mark.parametrize(
    ("fact", "change"),
    [
        (make_grant(), NOW + DAY),
        (make_grant(from_at=NOW + DAY, until_at=None), NOW + DAY),
        (make_grant(until_at=None), None),
        (make_grant(app_id="wiki"), None),
        (make_grant(until_at=NOW), None),
    ],
)
def test_next_change_is_the_first_edge_of_a_grant_of_the_app(fact: Grant, change: object) -> None:
    assert next_change(make_snapshot(fact), "notes", NOW) == change


def test_next_change_counts_the_edges_of_blocks() -> None:
    snapshot = make_snapshot(make_grant(until_at=None), make_block(until_at=NOW + DAY))

    assert next_change(snapshot, "notes", NOW) == NOW + DAY
