"""Which object an event is about, in every form in which Stripe sends events."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from billing.facts import ObjectKind, ObjectRef, parse_ref
from billing.providers.stripe.events import WATCHED, find_snapshot, to_event
from billing.providers.stripe.fields import UNREADABLE

EXAMPLES = json.loads((Path(__file__).parents[3] / "data/stripe/examples.json").read_text())
START = 1_700_000_000
# What stands in an event of each type that we are subscribed to, and whom it leads to.
MONEY_BACK = {"id": "re_1", "object": "refund", "charge": "ch_1", "payment_intent": "pi_1"}
DISPUTE = {"id": "dp_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_1"}
ROWS = [
    *(
        (f"checkout.session.{what}", {"id": "cs_1"}, "checkout:cs_1")
        for what in ("completed", "async_payment_succeeded", "async_payment_failed", "expired")
    ),
    *(
        (f"customer.subscription.{what}", {"id": "sub_1"}, "subscription:sub_1")
        for what in (
            "created",
            "updated",
            "deleted",
            "paused",
            "resumed",
            "pending_update_applied",
            "pending_update_expired",
            "trial_will_end",
        )
    ),
    *(
        (f"invoice.{what}", {"id": "in_1"}, "payment:in_1")
        for what in (
            "paid",
            "payment_failed",
            "payment_action_required",
            "marked_uncollectible",
            "voided",
        )
    ),
    ("charge.refunded", {"id": "ch_1", "payment_intent": "pi_1"}, "payment:pi_1"),
    ("charge.refunded", {"id": "ch_1", "payment_intent": None}, "payment:ch_1"),
    ("charge.refund.updated", MONEY_BACK, "payment:pi_1"),
    ("refund.created", MONEY_BACK, "payment:pi_1"),
    ("refund.updated", MONEY_BACK | {"payment_intent": None}, "payment:ch_1"),
    ("refund.failed", {"id": "re_1"}, "payment:re_1"),
    *(
        (f"charge.dispute.{what}", DISPUTE, "payment:pi_1")
        for what in ("created", "closed", "funds_withdrawn", "funds_reinstated")
    ),
    ("radar.early_fraud_warning.created", {"id": "issfr_1", "charge": "ch_1"}, "payment:ch_1"),
    ("customer.deleted", {"id": "cus_1"}, "customer:cus_1"),
    # An upcoming invoice has no id; reading it by one crashed other products.
    ("invoice.upcoming", {"object": "invoice"}, None),
    ("invoice.upcoming", {"id": "upcoming_in_1"}, None),
    ("customer.created", {"id": "cus_1"}, None),
    ("customer.updated", {"id": "cus_1"}, None),
    ("payment_intent.succeeded", {"id": "pi_1"}, None),
    ("charge.succeeded", {"id": "ch_1"}, None),
    ("entitlements.active_entitlement_summary.updated", {"customer": "cus_1"}, None),
    ("a.word.of.next.year", {"id": "x_1"}, None),
]


def event(kind: str, subject: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(json.dumps(EXAMPLES["event"]))
    return body | {"id": "evt_1", "type": kind, "created": START, "data": {"object": subject}}


def thin(kind: str, object_id: str) -> dict[str, Any]:
    return {
        "id": "evt_thin",
        "object": "v2.core.event",
        "type": f"v1.{kind}",
        "created": "2026-11-25T12:00:00.000Z",
        "livemode": False,
        "related_object": {"id": object_id, "type": "x", "url": "/v1/x"},
        "snapshot_event": "evt_1",
    }


@pytest.mark.parametrize(("kind", "subject", "ref"), ROWS)
def test_event_is_a_hint_about_one_object(
    kind: str, subject: dict[str, Any], ref: str | None
) -> None:
    read = to_event(event(kind, subject))

    assert read.ref == parse_ref(ref)
    assert (read.external_id, read.type) == ("evt_1", kind)
    assert (read.occurred_at, read.twin) == (datetime.fromtimestamp(START, UTC), None)


@pytest.mark.parametrize(
    ("kind", "object_id", "ref"),
    [
        ("customer.subscription.updated", "sub_1", "subscription:sub_1"),
        ("invoice.paid", "in_1", "payment:in_1"),
        ("charge.dispute.created", "dp_1", "payment:dp_1"),
        ("radar.early_fraud_warning.created", "issfr_1", "payment:issfr_1"),
        ("customer.created", "cus_1", None),
    ],
)
def test_thin_event_leads_to_the_same_object_and_names_its_twin(
    kind: str, object_id: str, ref: str | None
) -> None:
    read = to_event(thin(kind, object_id))

    assert read.ref == parse_ref(ref)
    assert (read.external_id, read.type, read.twin) == ("evt_thin", f"v1.{kind}", "evt_1")
    assert read.occurred_at == datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert read.api_version is None


def test_thin_event_without_an_object_is_about_nothing() -> None:
    body = thin("invoice.paid", "in_1")
    del body["related_object"], body["snapshot_event"]

    assert (to_event(body).ref, to_event(body).twin) == (None, None)


def test_what_is_listed_is_about_something_and_is_no_more_than_stripe_takes() -> None:
    known = {kind for kind, _, ref in ROWS if ref is not None}

    assert known.issuperset(WATCHED)
    assert len(WATCHED) == len(set(WATCHED)) <= 20


def test_operators_are_told_to_send_what_is_listed_and_nothing_else() -> None:
    text = (Path(__file__).parents[4] / "docs/configuration.md").read_text()
    (block,) = re.findall(r"```\n(checkout\.session\.[^`]*)```", text)
    told = block.split()

    assert sorted(told) == sorted({*WATCHED, "checkout.session.expired"})
    assert f"api_version={stripe.api_version}`" in text


def test_an_inquiry_that_becomes_a_dispute_is_among_what_is_listed() -> None:
    # It is the same dispute, neither created nor closed then.
    assert "charge.dispute.funds_withdrawn" in WATCHED


def test_event_of_a_subscription_carries_it_as_it_was() -> None:
    subscription = EXAMPLES["subscription"] | {"id": "sub_1", "status": "active"}

    snapshot = find_snapshot(event("customer.subscription.updated", subscription))

    assert snapshot is not None
    assert (snapshot.psp_sub_id, snapshot.raw_status) == ("sub_1", "active")


def test_subscription_of_which_only_some_items_came_is_not_gone_by() -> None:
    items = EXAMPLES["subscription"]["items"] | {"has_more": True}
    subscription = EXAMPLES["subscription"] | {"id": "sub_1", "items": items}

    assert find_snapshot(event("customer.subscription.updated", subscription)) is None


@pytest.mark.parametrize(
    "body", [event("invoice.paid", {"id": "in_1"}), thin("customer.subscription.updated", "sub_1")]
)
def test_other_events_carry_no_subscription(body: dict[str, Any]) -> None:
    assert find_snapshot(body) is None


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["id", "object", "charge"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    st.sampled_from([kind for kind, _, _ in ROWS]),
    st.dictionaries(
        st.sampled_from(["id", "type", "data", "object", "created", "livemode", "related_object"]),
        json_values,
        max_size=3,
    ),
    st.booleans(),
)
def test_body_of_any_shape_is_an_event_or_refused(
    kind: str, changes: dict[str, Any], is_thin: bool
) -> None:
    body = (thin(kind, "x_1") if is_thin else event(kind, {"id": "x_1"})) | changes

    try:
        read = to_event(body)
    except UNREADABLE:
        return

    assert read.ref is None or isinstance(read.ref, ObjectRef)
    assert read.ref is None or isinstance(read.ref.kind, ObjectKind)
