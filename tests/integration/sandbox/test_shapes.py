"""Shapes: objects have the members of Stripe's published fixtures, and values of their types.

`tests/data/stripe/fixtures.json` is the excerpt of Stripe's fixtures for the kinds that the
stand-in knows (stripe/openapi, MIT, see STRIPE_LICENSE beside it). Which member may be null is
what the annotations of Stripe's SDK say.
"""

import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from demo.sandbox.shapes import API_VERSION, Shapes
from tests.support.sandbox import Shop
from tests.support.stripe_account import Account, Body

_FIXTURES: dict[str, Body] = json.loads(
    (Path(__file__).parents[2] / "data/stripe/fixtures.json").read_text()
)

# Members of the fixtures that Stripe's API of this version does not send by itself.
_LEFT_OUT = {
    "charge": {"refunds", "source"},  # sent when expanded; of Sources, which are no more
    "invoice": {"subscription"},  # stands in `parent` since 2025-03-31.basil
    "subscription_item": {"plan"},  # the price once more, in its old shape
}
# Members that the fixtures lack and the reference has.
_ADDED = {
    "invoice": {"payments"},  # when expanded
    "charge": {"refunds"},  # when expanded
    "checkout.session": {"line_items"},  # when expanded
    "radar.early_fraud_warning": {"payment_intent"},
    "refund": {"failure_reason"},  # once it has failed
}
_CLASSES: dict[str, type[Any]] = {
    "billing_portal.session": stripe.billing_portal.Session,
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "customer": stripe.Customer,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "invoice": stripe.Invoice,
    "invoice_payment": stripe.InvoicePayment,
    "item": stripe.LineItem,
    "line_item": stripe.InvoiceLineItem,
    "payment_intent": stripe.PaymentIntent,
    "payment_method": stripe.PaymentMethod,
    "price": stripe.Price,
    "product": stripe.Product,
    "radar.early_fraud_warning": stripe.radar.EarlyFraudWarning,
    "refund": stripe.Refund,
    "subscription": stripe.Subscription,
    "subscription_item": stripe.SubscriptionItem,
    "webhook_endpoint": stripe.WebhookEndpoint,
}
_HAPPENED = {
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.failed",
    "charge.refunded",
    "charge.succeeded",
    "charge.updated",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.created",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.created",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.updated",
    "invoice.voided",
    "invoice_payment.paid",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.detached",
    "price.created",
    "price.updated",
    "product.created",
    "product.updated",
    "radar.early_fraud_warning.created",
    "refund.created",
    "refund.failed",
    "refund.updated",
}


def _objects(node: Any) -> Iterator[Body]:  # Any: JSON
    """Go through every object inside the node that Stripe has a name for."""
    children = node if isinstance(node, list) else []
    if isinstance(node, dict):
        children = list(node.values())
        # The data of an event hold an object under this very name.
        if isinstance(node.get("object"), str) and node["object"] != "list":
            yield node
    for child in children:
        yield from _objects(child)


def _faults(node: Any) -> set[str]:  # Any: JSON
    """Return what is wrong with the objects in the node: members, and types of their values."""
    found = list(_objects(node))
    assert found
    return {fault for body in found for fault in _faults_of(body)}


def _faults_of(body: Body) -> Iterator[str]:
    kind = body["object"]
    fixture = _FIXTURES["deleted_customer" if body.get("deleted") else kind]
    left_out, added = _LEFT_OUT.get(kind, set()), _ADDED.get(kind, set())
    yield from (f"{kind}: no {name}" for name in fixture.keys() - body.keys() - left_out)
    yield from (f"{kind}: {name} is too much" for name in body.keys() - fixture.keys() - added)
    for name in body.keys() & fixture.keys():
        if body[name] is None and fixture[name] is not None and not _may_be_null(kind, name):
            yield f"{kind}: {name} is null"
        yield from _type_faults(f"{kind}: {name}", body[name], fixture[name])


def _type_faults(where: str, value: Any, example: Any) -> Iterator[str]:  # Any: JSON
    """Compare types as deep as both sides go; null says nothing of the type."""
    is_expanded = isinstance(value, dict) and isinstance(example, str)
    if value is None or example is None or is_expanded:
        return
    if type(value) is not type(example):
        yield f"{where} is of {type(value).__name__}, not of {type(example).__name__}"
    elif isinstance(value, dict) and "object" not in value:
        for name in value.keys() & example.keys():
            yield from _type_faults(f"{where}.{name}", value[name], example[name])
    elif isinstance(value, list) and value and example:
        yield from _type_faults(f"{where}[]", value[0], example[0])


def _may_be_null(kind: str, name: str) -> bool:
    annotation = _CLASSES[kind].__annotations__[name]
    return type(None) in typing.get_args(annotation)


async def _checkout(account: Account, card: str) -> Body:
    session = await account.post(
        "checkout/sessions",
        mode="subscription",
        line_items=[{"price": "price_month", "quantity": 1}],
        success_url="https://shop.example/",
    )
    await account.visit(session["url"], card=card)
    return session


async def _buy_and_sell(account: Account) -> None:
    """Sell by the API and by checkouts: paid, declined, left alone."""
    product = await account.post("products", name="Atlas")
    await account.post(f"products/{product['id']}", name="Globe")
    price = await account.post(
        "prices", product=product["id"], currency="eur", unit_amount=700, lookup_key="globe"
    )
    await account.post(f"prices/{price['id']}", active=False)
    await _checkout(account, "4242424242424242")
    await _checkout(account, "4000000000000002")
    once = await account.post(
        "checkout/sessions",
        mode="payment",
        line_items=[{"price": "price_once", "quantity": 2}],
        success_url="https://shop.example/",
    )
    await account.visit(once["url"], card="4242424242424242")
    await account.visit(once["url"], card="4242424242424242")
    owner = await account.customer()
    await account.post(
        f"payment_methods/{owner['invoice_settings']['default_payment_method']}/detach"
    )


async def _change_and_pause(account: Account) -> None:
    """Change items in every way, pause, resume, and be on trial."""
    subscription = await account.subscribe("month", "year")
    path = f"subscriptions/{subscription['id']}"
    await account.post(path, items=[{"price": "price_month_pro"}])
    await account.use_card(subscription["customer"], "pm_card_chargeCustomerFail")
    waiting = {
        "items": [{"id": subscription["items"]["data"][0]["id"], "quantity": 4}],
        "proration_behavior": "always_invoice",
        "payment_behavior": "pending_if_incomplete",
    }
    changed = await account.post(path, **waiting)
    await account.advance(1)
    changed = await account.post(path, **waiting)
    await account.use_card(subscription["customer"], "pm_card_visa")
    await account.post(f"invoices/{changed['latest_invoice']}/pay")
    await account.post(path, pause_collection={"behavior": "mark_uncollectible"})
    await account.advance(31)
    await account.post(path, pause_collection="")
    await account.post(f"{path}/pause")
    await account.post(f"{path}/resume")
    await account.post(path, cancel_at_period_end=True, cancellation_details={"comment": "-"})
    trial = await account.subscribe(trial_period_days=7)
    await account.advance(7)
    await account.delete(f"subscriptions/{trial['id']}")


async def _fail_and_dispute(account: Account) -> None:
    """Be declined, give money back, be disputed, and leave."""
    for card in ("chargeCustomerFail", "authenticationRequired"):
        failing = await account.subscribe()
        await account.use_card(failing["customer"], f"pm_card_{card}")
        await account.advance(31)
    await account.delete(f"subscriptions/{failing['id']}")
    await account.advance(14)
    for card in ("refundFail", "pendingRefund"):
        await account.subscribe(card=f"pm_card_{card}")
        charge = (await account.all("charges"))[-1]
        await account.post("refunds", charge=charge["id"])
    await account.advance(1)
    await account.subscribe(card="pm_card_createIssuerFraudRecord")
    disputed = await account.subscribe(card="pm_card_createDispute")
    (dispute,) = await account.all("disputes")
    await account.ask("post", f"/_sandbox/disputes/{dispute['id']}/close", outcome="won")
    await account.delete(f"customers/{disputed['customer']}")


async def _live_through_everything(account: Account) -> None:
    await _buy_and_sell(account)
    await _change_and_pause(account)
    await _fail_and_dispute(account)


async def test_every_object_in_every_event_has_the_published_shape(account: Account) -> None:
    await _live_through_everything(account)

    events = await account.events()

    assert _faults(events) == set()
    assert {event["type"] for event in events} == _HAPPENED
    assert {event["api_version"] for event in events} == {API_VERSION}


@pytest.mark.parametrize(
    "path",
    [
        "charges?expand[]=data.refunds&expand[]=data.payment_intent",
        "checkout/sessions?expand[]=data.line_items",
        "customers?expand[]=data.invoice_settings.default_payment_method",
        "disputes?expand[]=data.charge",
        "events",
        "invoice_payments",
        "invoices?expand[]=data.payments",
        "payment_intents?expand[]=data.latest_charge",
        "payment_methods",
        "prices?expand[]=data.product",
        "products",
        "radar/early_fraud_warnings",
        "refunds",
        "webhook_endpoints",
        "subscriptions?status=all&expand[]=data.latest_invoice",
        "subscriptions?status=all&expand[]=data.default_payment_method",
    ],
)
async def test_every_object_of_the_api_has_the_published_shape(account: Account, path: str) -> None:
    await _live_through_everything(account)
    resource, _, query = path.partition("?")

    answer = await account.ask("get", f"/v1/{resource}?limit=100&{query}")

    assert _faults(answer) == set()


async def test_deleted_customer_has_the_published_shape(account: Account) -> None:
    customer = await account.customer()

    assert _faults(await account.delete(f"customers/{customer['id']}")) == set()


def test_shapes_that_are_shipped_are_those_of_the_fixtures() -> None:
    shapes = Shapes.load()

    assert shapes.kinds() == _FIXTURES.keys() - {"deleted_customer"}
    faults = {fault for kind in shapes.kinds() for fault in _faults(shapes.build(kind))}
    # What every item has to be given.
    assert faults == {"subscription_item: price is null"}


async def test_update_names_the_former_values(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    await shop.cancel(sub_id)

    data = (await shop.receiver.wait_for("customer.subscription.updated")).event["data"]

    assert data["previous_attributes"]["cancel_at_period_end"] is False
    assert data["object"]["cancel_at_period_end"] is True
    assert data["previous_attributes"].keys() <= data["object"].keys()
