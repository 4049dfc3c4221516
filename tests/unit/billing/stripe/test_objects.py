"""Stripe's objects in our words, from the published example objects."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import ProviderRefusedError
from billing.facts import PauseKind, ProviderCustomer
from billing.model import CheckoutState
from billing.providers.stripe.objects import to_checkout, to_customer, to_subscription
from policies.model import SubscriptionStatus as S

# Example objects of Stripe's OpenAPI repository, API version 2026-10-28.endive.
EXAMPLES = json.loads((Path(__file__).parents[3] / "data/stripe/examples.json").read_text())
START, END = 1_700_000_000, 1_702_592_000


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def subscription(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(json.dumps(EXAMPLES["subscription"]))
    item = body["items"]["data"][0]
    item |= {"id": "si_1", "current_period_start": START, "current_period_end": END}
    item["price"]["id"] = "price_1"
    body |= {"id": "sub_1", "status": "active", "start_date": START, "customer": "cus_1"}
    body |= {"cancel_at": None, "cancel_at_period_end": False, "pause_collection": None}
    return body | changes


def session(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(json.dumps(EXAMPLES["checkout.session"]))
    return body | {"id": "cs_1", "status": "open", "payment_status": "unpaid"} | changes


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": "incomplete"}, S.PENDING),
        ({"status": "incomplete_expired"}, S.ENDED),
        ({"status": "trialing"}, S.TRIALING),
        ({"status": "active"}, S.ACTIVE),
        ({"status": "active", "cancel_at_period_end": True}, S.CANCELING),
        ({"status": "active", "cancel_at": END}, S.CANCELING),
        ({"status": "past_due"}, S.PAST_DUE),
        ({"status": "past_due", "cancel_at_period_end": True}, S.PAST_DUE),
        ({"status": "unpaid"}, S.UNPAID),
        ({"status": "paused"}, S.PAUSED),
        ({"status": "canceled"}, S.ENDED),
        ({"pause_collection": {"behavior": "void"}}, S.ACTIVE),
        ({"status": "a_word_of_next_year"}, None),
    ],
)
def test_status_is_ours(changes: dict[str, Any], status: S | None) -> None:
    read = to_subscription(subscription(**changes))

    assert read.status is status


def test_period_stands_on_the_item() -> None:
    (item,) = to_subscription(subscription()).items

    assert (item.psp_item_id, item.psp_price_id) == ("si_1", "price_1")
    assert (item.period_start, item.period_end) == (at(START), at(END))


@pytest.mark.parametrize(
    ("told", "quantity"), [({"quantity": 3}, 3), ({"quantity": 0}, 0), ({}, 1)]
)
def test_no_quantity_is_one_and_none_of_it_is_none(told: dict[str, int], quantity: int) -> None:
    body = subscription()
    item = body["items"]["data"][0]
    item.pop("quantity", None)
    item |= told

    assert to_subscription(body).items[0].quantity == quantity


def test_period_at_the_top_is_read_where_items_have_none() -> None:
    body = subscription(current_period_start=START + 1, current_period_end=END + 1)
    for name in ("current_period_start", "current_period_end"):
        del body["items"]["data"][0][name]

    (item,) = to_subscription(body).items

    assert (item.period_start, item.period_end) == (at(START + 1), at(END + 1))


def test_cancellation_at_period_end_names_the_end_of_the_last_item() -> None:
    body = subscription(cancel_at_period_end=True, cancel_at=None)

    assert to_subscription(body).cancel_at == at(END)


def test_cancelled_at_period_end_is_cancelled_with_the_first_of_its_items() -> None:
    body = subscription(cancel_at_period_end=True, cancel_at=None)
    later = body["items"]["data"][0] | {"id": "si_2", "current_period_end": END + 1000}
    body["items"]["data"].append(later)

    assert to_subscription(body).cancel_at == at(END)


@pytest.mark.parametrize("customer", ["cus_1", {"id": "cus_1", "object": "customer"}])
def test_customer_is_read_expanded_or_not(customer: object) -> None:
    assert to_subscription(subscription(customer=customer)).psp_customer_id == "cus_1"


def test_our_mark_names_the_client() -> None:
    body = subscription(metadata={"tollway_client": "c-1"})

    assert to_subscription(body).client_ref == "c-1"
    assert to_subscription(subscription(metadata={})).client_ref is None


@pytest.mark.parametrize(
    ("changes", "pause"),
    [
        ({}, None),
        ({"status": "paused"}, PauseKind.STATUS),
        ({"pause_collection": {"behavior": "void"}}, PauseKind.VOID),
        ({"pause_collection": {"behavior": "keep_as_draft"}}, PauseKind.KEEP_AS_DRAFT),
        ({"pause_collection": {"behavior": "mark_uncollectible"}}, PauseKind.MARK_UNCOLLECTIBLE),
        ({"pause_collection": {"behavior": "of_next_year"}}, PauseKind.VOID),
    ],
)
def test_pause_is_read_apart_from_the_status(
    changes: dict[str, Any], pause: PauseKind | None
) -> None:
    assert to_subscription(subscription(**changes)).pause is pause


@pytest.mark.parametrize("invoice", ["in_1", {"id": "in_1", "object": "invoice"}])
def test_latest_invoice_is_named_expanded_or_not(invoice: object) -> None:
    assert to_subscription(subscription(latest_invoice=invoice)).psp_payment_id == "in_1"


def test_what_is_kept_of_the_text_names_nobody() -> None:
    payer = {"email": "ann@example.org", "name": "Ann"}
    body = subscription(customer={"id": "cus_1"} | payer, customer_email="ann@example.org")

    raw = to_subscription(body).raw

    assert "ann" not in raw.lower()
    assert json.loads(raw)["id"] == "sub_1"


@pytest.mark.parametrize("name", ["id", "customer", "status", "items", "livemode"])
def test_subscription_without_what_decides_is_refused(name: str) -> None:
    body = subscription()
    del body[name]

    with pytest.raises(ProviderRefusedError, match="unreadable subscription"):
        to_subscription(body)


@pytest.mark.parametrize(
    ("status", "payment_status", "state"),
    [
        ("open", "unpaid", CheckoutState.OPEN),
        ("expired", "unpaid", CheckoutState.EXPIRED),
        ("complete", "paid", CheckoutState.PAID),
        ("complete", "no_payment_required", CheckoutState.PAID),
        # SEPA and other debits settle days after the session is complete.
        ("complete", "unpaid", CheckoutState.SETTLING),
        # An open session that is paid already is still open: completion is what counts.
        ("open", "paid", CheckoutState.OPEN),
    ],
)
def test_completed_is_not_paid(status: str, payment_status: str, state: CheckoutState) -> None:
    body = session(status=status, payment_status=payment_status)

    assert to_checkout(body).state is state


@pytest.mark.parametrize(
    ("paid_for", "state"),
    [
        ({"payment_intent": {"id": "pi_1", "status": "processing"}}, CheckoutState.SETTLING),
        ({"payment_intent": {"id": "pi_1", "status": "canceled"}}, CheckoutState.FAILED),
        (
            {"payment_intent": {"id": "pi_1", "status": "requires_payment_method"}},
            CheckoutState.FAILED,
        ),
        ({"subscription": {"id": "sub_1", "status": "active"}}, CheckoutState.SETTLING),
        ({"subscription": {"id": "sub_1", "status": "past_due"}}, CheckoutState.FAILED),
        ({"subscription": {"id": "sub_1", "status": "incomplete_expired"}}, CheckoutState.FAILED),
        ({"subscription": "sub_1"}, CheckoutState.SETTLING),
    ],
)
def test_debit_that_failed_fails_its_checkout(
    paid_for: dict[str, Any], state: CheckoutState
) -> None:
    body = session(status="complete", payment_status="unpaid", **paid_for)

    assert to_checkout(body).state is state


def test_order_names_its_payment_and_prices() -> None:
    lines = {"data": [{"price": {"id": "price_9"}}, {"price": None}]}
    body = session(payment_intent={"id": "pi_1", "status": "succeeded"}, line_items=lines)

    read = to_checkout(body)

    assert (read.psp_payment_id, read.psp_price_ids) == ("pi_1", ("price_9",))


@pytest.mark.parametrize(
    ("body", "is_deleted"),
    [
        ({"id": "cus_1", "object": "customer"}, False),
        ({"id": "cus_1", "object": "customer", "deleted": True}, True),
    ],
)
def test_deleted_customer_says_so(body: dict[str, Any], is_deleted: bool) -> None:
    assert to_customer(body) == ProviderCustomer("cus_1", is_deleted=is_deleted)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["id", "data", "price"]), inner, max_size=2)
    ),
    max_leaves=4,
)
fields = st.dictionaries(
    st.sampled_from(
        ["id", "customer", "status", "items", "metadata", "cancel_at", "latest_invoice", "created"]
    ),
    json_values,
    max_size=3,
)


@given(fields)
def test_subscription_is_read_or_refused_and_nothing_else(changes: dict[str, Any]) -> None:
    try:
        read = to_subscription(subscription() | changes)
    except ProviderRefusedError:
        return

    assert read.status is None or isinstance(read.status, S)


@given(fields)
def test_checkout_is_read_or_refused_and_nothing_else(changes: dict[str, Any]) -> None:
    try:
        read = to_checkout(session() | changes)
    except ProviderRefusedError:
        return

    assert isinstance(read.state, CheckoutState)
