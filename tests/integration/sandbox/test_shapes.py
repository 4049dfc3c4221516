"""Shapes: objects have the members of Stripe's published fixtures, no more and no fewer."""

from collections.abc import Iterator
from typing import Any

import pytest

from demo.sandbox.shapes import API_VERSION, Shapes
from tests.support.sandbox import (
    DECLINED_AT_RENEWAL_CARD,
    DECLINED_CARD,
    MONTH,
    ONCE,
    Shop,
    make_order,
)

_EXAMPLES = Shapes.load()._examples


def _objects(node: Any) -> Iterator[dict[str, Any]]:  # Any: JSON
    """Go through every object inside the node that Stripe has a name for."""
    children = node if isinstance(node, list) else []
    if isinstance(node, dict):
        children = list(node.values())
        # The data of an event hold an object under this very name.
        if isinstance(node.get("object"), str) and node["object"] != "list":
            yield node
    for child in children:
        yield from _objects(child)


def _faults(node: Any) -> list[str]:  # Any: JSON
    found = list(_objects(node))
    assert found
    return [
        f"{body['object']}: {sorted(body.keys() ^ _EXAMPLES[body['object']].keys())}"
        for body in found
        if body.keys() != _EXAMPLES[body["object"]].keys()
    ]


async def _live_through_everything(shop: Shop) -> None:
    """Buy, be declined, cancel, resume, expire, renew, fail and end."""
    declined = await shop.stripe.create_checkout(make_order(MONTH, key="order-2"))
    await shop.sandbox.pay(declined.url, DECLINED_CARD)
    once = await shop.stripe.create_checkout(make_order(ONCE, key="order-3"))
    await shop.sandbox.pay(once.url)
    sub_id = await shop.subscribe(card=DECLINED_AT_RENEWAL_CARD)
    await shop.cancel(sub_id)
    await shop.resume(sub_id)
    await shop.sandbox.advance(31)
    await shop.sandbox.advance(14)


async def test_every_object_in_events_has_the_published_members(shop: Shop) -> None:
    await _live_through_everything(shop)

    faults = [fault for d in shop.receiver.deliveries for fault in _faults(d.event)]

    assert faults == []
    assert set(shop.receiver.types()) == {
        "charge.failed",
        "charge.succeeded",
        "checkout.session.completed",
        "checkout.session.expired",
        "customer.created",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
        "payment_intent.payment_failed",
        "payment_intent.succeeded",
    }


async def test_every_event_says_the_version_of_its_shape(shop: Shop) -> None:
    await shop.buy()

    await shop.sandbox.settle()

    assert {d.event["api_version"] for d in shop.receiver.deliveries} == {API_VERSION}


async def test_update_names_the_former_values(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    await shop.cancel(sub_id)

    data = (await shop.receiver.wait_for("customer.subscription.updated")).event["data"]

    assert data["previous_attributes"]["cancel_at_period_end"] is False
    assert data["object"]["cancel_at_period_end"] is True
    assert data["previous_attributes"].keys() <= data["object"].keys()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers",
        "/v1/products",
        "/v1/prices",
        "/v1/checkout/sessions",
        "/v1/subscriptions?status=all&expand[]=data.latest_invoice",
        "/v1/subscriptions?status=all&expand[]=data.default_payment_method",
        "/v1/invoices",
        "/v1/payment_intents?expand[]=data.customer",
        "/v1/events",
    ],
)
async def test_every_object_of_the_api_has_the_published_members(shop: Shop, path: str) -> None:
    await _live_through_everything(shop)

    answer = await shop.sandbox.api("GET", path)

    assert answer.status == 200
    assert _faults(answer.json()) == []


async def test_line_items_have_the_published_members(shop: Shop) -> None:
    session_id = await shop.buy()

    answer = await shop.sandbox.api("GET", f"/v1/checkout/sessions/{session_id}/line_items")

    assert _faults(answer.json()) == []


async def test_kinds_of_the_fixtures_name_themselves() -> None:
    named = {kind: example["object"] for kind, example in _EXAMPLES.items()}

    assert all(kind == name for kind, name in named.items())
