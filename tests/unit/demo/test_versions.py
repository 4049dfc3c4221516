"""Events in the shapes of two API versions."""

import copy
from typing import Any

import pytest

from demo.sandbox.shapes import API_VERSION, Shapes
from demo.sandbox.versions import OLD_VERSION, Links, is_old, render_event

_SHAPES = Shapes.load()


def _subscription() -> dict[str, Any]:
    body = _SHAPES.build("subscription", id="sub_1")
    periods = ((100, 200), (100, 900))
    body["items"]["data"] = [
        _SHAPES.build("subscription_item", current_period_start=start, current_period_end=end)
        for start, end in periods
    ]
    return body


def _invoice() -> dict[str, Any]:
    details = {"subscription": "sub_1", "metadata": {"a": "b"}}
    parent = {"type": "subscription_details", "subscription_details": details}
    body = _SHAPES.build("invoice", id="in_1", parent=parent, status="paid")
    line = _SHAPES.build(
        "line_item",
        parent={
            "type": "subscription_item_details",
            "subscription_item_details": {
                "subscription": "sub_1",
                "subscription_item": "si_1",
                "proration": True,
                "invoice_item": None,
            },
        },
        pricing={"type": "price_details", "price_details": {"price": "price_1"}},
    )
    body["lines"]["data"] = [line]
    return body


def _event(subject: dict[str, Any], **data: Any) -> dict[str, Any]:
    return _SHAPES.build("event", type="x", data={"object": subject, **data})


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (None, False),
        (API_VERSION, False),
        ("2025-03-31.basil", False),
        ("2025-02-24.acacia", True),
        ("2024-06-20", True),
        ("2019-12-03", True),
    ],
)
def test_versions_before_basil_are_old(version: str | None, expected: bool) -> None:
    assert is_old(version) is expected


@pytest.mark.parametrize("version", [None, API_VERSION, "2025-03-31.basil"])
def test_event_of_today_says_its_version_and_changes_in_nothing_else(version: str | None) -> None:
    event = _event(_subscription())

    rendered = render_event(event, version, Links())

    assert rendered == event | {"api_version": version or API_VERSION}


def test_rendering_leaves_the_event_as_it_was() -> None:
    event = _event(_subscription(), previous_attributes={"items": _subscription()["items"]})
    before = copy.deepcopy(event)

    render_event(event, OLD_VERSION, Links())

    assert event == before


def test_old_subscription_has_its_period_on_top_and_none_on_items() -> None:
    body = render_event(_event(_subscription()), OLD_VERSION, Links())["data"]["object"]

    assert (body["current_period_start"], body["current_period_end"]) == (100, 200)
    assert not [name for item in body["items"]["data"] for name in item if "period" in name]


def test_old_subscription_without_items_has_no_period() -> None:
    empty = _SHAPES.build("subscription")

    body = render_event(_event(empty), OLD_VERSION, Links())["data"]["object"]

    assert body["current_period_end"] is None


def test_old_update_names_the_former_period_on_top() -> None:
    event = _event(_subscription(), previous_attributes={"items": _subscription()["items"]})

    previous = render_event(event, OLD_VERSION, Links())["data"]["previous_attributes"]

    assert (previous["current_period_start"], previous["current_period_end"]) == (100, 200)
    assert not [name for item in previous["items"]["data"] for name in item if "period" in name]


def test_old_invoice_names_its_subscription_intent_and_charge() -> None:
    links = Links(intent_of_invoice={"in_1": "pi_1"}, charge_of_intent={"pi_1": "ch_1"})

    body = render_event(_event(_invoice()), OLD_VERSION, links)["data"]["object"]

    assert body["subscription"] == "sub_1"
    assert body["subscription_details"] == {"metadata": {"a": "b"}}
    assert (body["payment_intent"], body["charge"], body["paid"]) == ("pi_1", "ch_1", True)
    assert not body.keys() & {"parent", "payments", "confirmation_secret"}


def test_old_line_names_its_item_and_price() -> None:
    links = Links(prices={"price_1": {"id": "price_1"}})

    body = render_event(_event(_invoice()), OLD_VERSION, links)["data"]["object"]

    (line,) = body["lines"]["data"]
    assert line["price"] == {"id": "price_1"}
    assert (line["type"], line["subscription_item"], line["proration"]) == (
        "subscription",
        "si_1",
        True,
    )
    assert not line.keys() & {"parent", "pricing"}


def test_old_invoice_of_no_subscription_names_none() -> None:
    invoice = _SHAPES.build("invoice", parent=None)

    body = render_event(_event(invoice), OLD_VERSION, Links())["data"]["object"]

    assert body["subscription"] is None


@pytest.mark.parametrize(
    "payment",
    [
        {"object": "charge", "id": "ch_1", "payment_intent": "pi_1"},
        {"object": "payment_intent", "id": "pi_1"},
    ],
    ids=lambda body: body["object"],
)
@pytest.mark.parametrize("invoice", ["in_1", None])
def test_old_payment_names_its_invoice(payment: dict[str, Any], invoice: str | None) -> None:
    links = Links(invoice_of_intent={"pi_1": invoice} if invoice else {})

    body = render_event(_event(payment), OLD_VERSION, links)["data"]["object"]

    assert body["invoice"] == invoice


def test_new_payment_names_no_invoice() -> None:
    event = _event({"object": "charge", "id": "ch_1", "payment_intent": "pi_1"})

    assert "invoice" not in render_event(event, API_VERSION, Links())["data"]["object"]


def test_old_session_has_the_old_word_for_its_page() -> None:
    session = _SHAPES.build("checkout.session")

    assert session["ui_mode"] == "hosted_page"
    old = render_event(_event(session), OLD_VERSION, Links())["data"]["object"]
    assert old["ui_mode"] == "hosted"
