"""A change that has to be paid first, as Stripe's own answers tell it."""

import json

import pytest

from billing.errors import PaymentNeededError
from billing.facts import SubscriptionChange
from tests.support.sandbox import run_adapter, run_bytes

UPGRADE = SubscriptionChange("si_1", "price_2", 1, is_upgrade=True)
INVOICE_URL = "https://invoice.example/in_1"


def answer(body: object, status: str = "200 OK") -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
    return head.encode() + b"\r\nConnection: close\r\n\r\n" + text


async def test_pending_update_says_where_the_difference_is_paid() -> None:
    body = {
        "id": "sub_1",
        "object": "subscription",
        "pending_update": {"expires_at": 1},
        "latest_invoice": {
            "id": "in_1",
            "object": "invoice",
            "status": "open",
            "hosted_invoice_url": INVOICE_URL,
        },
    }
    async with run_bytes(answer(body)) as url, run_adapter(url) as stripe:
        with pytest.raises(PaymentNeededError) as caught:
            await stripe.change_subscription("sub_1", UPGRADE, key="k")

    assert caught.value.url == INVOICE_URL


async def test_update_that_was_paid_is_no_trouble() -> None:
    body = {
        "id": "sub_1",
        "object": "subscription",
        "pending_update": None,
        "latest_invoice": {"id": "in_1", "object": "invoice", "status": "paid"},
    }
    async with run_bytes(answer(body)) as url, run_adapter(url) as stripe:
        await stripe.change_subscription("sub_1", UPGRADE, key="k")


async def test_declined_card_is_a_payment_that_is_needed() -> None:
    body = {"error": {"type": "card_error", "code": "card_declined", "message": "declined"}}
    declined = answer(body, "402 Payment Required")
    async with run_bytes(declined) as url, run_adapter(url) as stripe:
        with pytest.raises(PaymentNeededError):
            await stripe.change_subscription("sub_1", UPGRADE, key="k")
