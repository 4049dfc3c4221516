"""When time alone changes an object of the sandbox, and what an invoice makes of a subscription."""

from typing import Any

import pytest

from demo.sandbox.schedule import due_s
from demo.sandbox.standing import status_after

# Any: JSON.
Body = dict[str, Any]

_HOUR_S = 3600


def _subscription(status: str, **fields: Any) -> Body:
    items = [{"current_period_end": end_s} for end_s in fields.pop("ends", (500, 900))]
    return {
        "object": "subscription",
        "status": status,
        "created": 0,
        "cancel_at": None,
        "pending_update": None,
        "pause_collection": None,
        "items": {"data": items},
        **fields,
    }


@pytest.mark.parametrize(
    ("body", "due"),
    [
        (_subscription("active"), 500),
        (_subscription("past_due"), 500),
        (_subscription("unpaid"), 500),
        (_subscription("trialing"), 500),
        (_subscription("active", cancel_at=400), 400),
        (_subscription("active", cancel_at=700), 500),
        (_subscription("active", pending_update={"expires_at": 300}), 300),
        (_subscription("active", pause_collection={"resumes_at": 200}), 200),
        (_subscription("active", pause_collection={"resumes_at": None}), 500),
        (_subscription("incomplete", ends=(10**9,)), 23 * _HOUR_S),
        (_subscription("paused"), None),
        (_subscription("paused", cancel_at=700), 700),
        (_subscription("canceled", cancel_at=700), None),
        (_subscription("incomplete_expired"), None),
        ({"object": "invoice", "status": "open", "next_payment_attempt": 70}, 70),
        ({"object": "invoice", "status": "open", "next_payment_attempt": None}, None),
        ({"object": "invoice", "status": "void", "next_payment_attempt": 70}, None),
        ({"object": "checkout.session", "status": "open", "expires_at": 60}, 60),
        ({"object": "checkout.session", "status": "complete", "expires_at": 60}, None),
        ({"object": "sandbox.refund_plan", "due_at_s": 50}, 50),
        ({"object": "customer"}, None),
    ],
    ids=str,
)
def test_object_falls_due_at_the_first_of_its_moments(body: Body, due: int | None) -> None:
    assert due_s(body) == due


@pytest.mark.parametrize(
    ("status", "paid", "refused", "untried"),
    [
        ("active", "active", "past_due", "active"),
        ("trialing", "trialing", "past_due", "trialing"),
        ("past_due", "active", "past_due", "past_due"),
        ("unpaid", "active", "unpaid", "unpaid"),
        ("paused", "paused", "paused", "paused"),
    ],
)
def test_latest_invoice_decides_on_the_status(
    status: str, paid: str, refused: str, untried: str
) -> None:
    subscription = _subscription(status)
    invoices = [
        {"status": "paid", "attempted": True},
        {"status": "uncollectible", "attempted": True},
        {"status": "open", "attempted": True},
        {"status": "open", "attempted": False},
        {"status": "draft", "attempted": False},
    ]

    found = [status_after(subscription, invoice) for invoice in invoices]

    assert found == [paid, paid, refused, untried, untried]
