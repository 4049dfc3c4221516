"""Subscriptions: started by a paid checkout, changed by the API, renewed and ended by time."""

import copy

from demo.sandbox.cards import renews
from demo.sandbox.clock import next_period_end_s
from demo.sandbox.customers import merge_metadata
from demo.sandbox.errors import APIError, missing
from demo.sandbox.invoices import announce_settled, build_invoice, build_line, settle_invoice
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject

# How long a renewal that was declined keeps the subscription past due before it is
# cancelled. Stripe's default retries take about two weeks.
PAST_DUE_DAYS = 14

_DAY_S = 86400


def start_subscription(
    ledger: Ledger,
    *,
    customer: str,
    payment_method: str,
    lines: list[JSONObject],
    metadata: dict[str, str],
    at_s: int,
) -> tuple[JSONObject, JSONObject]:
    """Start a subscription on the recurring prices of `lines` and pay its first invoice.

    Prices that are paid once go onto the first invoice. Returns the subscription and the
    invoice, both saved; announces the subscription and the paid invoice.
    """
    recurring = [line for line in lines if line["price"]["recurring"]]
    subscription = ledger.build(
        "subscription",
        at_s,
        start_date=at_s,
        billing_cycle_anchor=at_s,
        customer=customer,
        currency=recurring[0]["price"]["currency"],
        default_payment_method=payment_method,
        metadata=metadata,
    )
    subscription["items"] |= {
        "data": [_build_item(ledger, subscription, line, at_s) for line in recurring],
        "url": f"/v1/subscription_items?subscription={subscription['id']}",
    }
    once = [
        build_line(ledger, line["price"], line["quantity"], _moment(at_s), _once_parent())
        for line in lines
        if not line["price"]["recurring"]
    ]
    items = _item_lines(ledger, subscription)
    invoice = build_invoice(
        ledger, subscription, items + once, reason="subscription_create", at_s=at_s
    )
    subscription["latest_invoice"] = invoice["id"]
    intent = settle_invoice(ledger, invoice, at_s, is_paid=True)
    _save(ledger, subscription)
    ledger.announce("customer.subscription.created", subscription, at_s)
    announce_settled(ledger, invoice, intent, at_s)
    return subscription, invoice


def update_subscription(
    ledger: Ledger, subscription: JSONObject, params: JSONObject, at_s: int
) -> JSONObject:
    """Set metadata, or ask for the end with the period, or take that back.

    Raises:
        APIError: the subscription has ended, and more than its metadata was to change.
    """
    fields: JSONObject = {}
    if "metadata" in params:
        fields["metadata"] = merge_metadata(subscription["metadata"], params["metadata"])
    wanted = params.get("cancel_at_period_end")
    if wanted is not None and subscription["status"] == "canceled":
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise APIError(message, param="cancel_at_period_end")
    if wanted is not None and wanted != subscription["cancel_at_period_end"]:
        details = subscription["cancellation_details"]
        fields |= {
            "cancel_at_period_end": wanted,
            "cancel_at": period_end_s(subscription) if wanted else None,
            "canceled_at": at_s if wanted else None,
            "cancellation_details": details
            | {"reason": "cancellation_requested" if wanted else None},
        }
    previous = ledger.change(subscription, **fields)
    if previous:
        _save(ledger, subscription)
        ledger.announce("customer.subscription.updated", subscription, at_s, previous)
    return subscription


def cancel_subscription(
    ledger: Ledger, subscription: JSONObject, at_s: int, *, reason: str = "cancellation_requested"
) -> JSONObject:
    """End the subscription at once.

    Raises:
        APIError: it has ended before; Stripe answers as if it were not there.
    """
    if subscription["status"] == "canceled":
        raise missing("subscription", subscription["id"])
    ledger.change(
        subscription,
        status="canceled",
        canceled_at=subscription["canceled_at"] or at_s,
        ended_at=at_s,
        cancellation_details=subscription["cancellation_details"] | {"reason": reason},
    )
    _save(ledger, subscription)
    ledger.announce("customer.subscription.deleted", subscription, at_s)
    return subscription


def change_card(ledger: Ledger, subscription: JSONObject, method: JSONObject, at_s: int) -> None:
    """Charge the payment method from now on, and with it an invoice that is past due."""
    previous = ledger.change(subscription, default_payment_method=method["id"])
    invoice = intent = None
    if subscription["status"] == "past_due" and renews(method["card"]["last4"]):
        invoice = ledger.get("invoice", subscription["latest_invoice"])
        invoice["default_payment_method"] = method["id"]
        intent = settle_invoice(ledger, invoice, at_s, is_paid=True)
        previous |= ledger.change(subscription, status="active")
    _save(ledger, subscription)
    ledger.announce("customer.subscription.updated", subscription, at_s, previous)
    if invoice is not None and intent is not None:
        announce_settled(ledger, invoice, intent, at_s)


def settle_subscription(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    """Do what `at_s`, the time at which the subscription fell due, asks for."""
    if subscription["status"] == "past_due":
        cancel_subscription(ledger, subscription, at_s, reason="payment_failed")
    elif subscription["cancel_at_period_end"]:
        cancel_subscription(ledger, subscription, at_s)
    else:
        _renew(ledger, subscription, at_s)


def period_end_s(subscription: JSONObject) -> int:
    """Return when the subscription's current period ends; all its items share the interval."""
    return int(subscription["items"]["data"][0]["current_period_end"])


def _renew(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    card = ledger.get("payment_method", subscription["default_payment_method"])["card"]
    is_paid = renews(card["last4"])
    items = copy.deepcopy(subscription["items"])
    for item in items["data"]:
        rhythm = item["price"]["recurring"]
        item["current_period_start"] = at_s
        item["current_period_end"] = next_period_end_s(
            subscription["billing_cycle_anchor"],
            at_s,
            rhythm["interval"],
            rhythm["interval_count"],
        )
    renewed = subscription | {"items": items}
    invoice = build_invoice(
        ledger, renewed, _item_lines(ledger, renewed), reason="subscription_cycle", at_s=at_s
    )
    invoice["period_start"] = subscription["items"]["data"][0]["current_period_start"]
    intent = settle_invoice(ledger, invoice, at_s, is_paid=is_paid)
    previous = ledger.change(
        subscription,
        items=items,
        latest_invoice=invoice["id"],
        status="active" if is_paid else "past_due",
    )
    _save(ledger, subscription)
    ledger.announce("customer.subscription.updated", subscription, at_s, previous)
    announce_settled(ledger, invoice, intent, at_s)


def _save(ledger: Ledger, subscription: JSONObject) -> None:
    due_at_s: int | None = period_end_s(subscription)
    if subscription["status"] == "past_due":
        started_s = subscription["items"]["data"][0]["current_period_start"]
        due_at_s = min(period_end_s(subscription), started_s + PAST_DUE_DAYS * _DAY_S)
    elif subscription["status"] == "canceled":
        due_at_s = None
    ledger.save(subscription, due_at_s=due_at_s)


def _build_item(
    ledger: Ledger, subscription: JSONObject, line: JSONObject, at_s: int
) -> JSONObject:
    rhythm = line["price"]["recurring"]
    return ledger.build(
        "subscription_item",
        at_s,
        subscription=subscription["id"],
        price=line["price"],
        quantity=line["quantity"],
        current_period_start=at_s,
        current_period_end=next_period_end_s(
            at_s, at_s, rhythm["interval"], rhythm["interval_count"]
        ),
    )


def _item_lines(ledger: Ledger, subscription: JSONObject) -> list[JSONObject]:
    lines = []
    for item in subscription["items"]["data"]:
        period = {"start": item["current_period_start"], "end": item["current_period_end"]}
        parent = {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        }
        lines.append(build_line(ledger, item["price"], item["quantity"], period, parent))
    return lines


def _once_parent() -> JSONObject:
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": None,
    }
    return {
        "invoice_item_details": details,
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }


def _moment(at_s: int) -> JSONObject:
    return {"start": at_s, "end": at_s}
