"""Invoices and the payments that settle them."""

from demo.sandbox.customers import next_invoice_number
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject


def build_invoice(
    ledger: Ledger,
    subscription: JSONObject,
    lines: list[JSONObject],
    *,
    reason: str,
    at_s: int,
) -> JSONObject:
    """Return a finalized, open invoice over `lines`; announced, and not saved yet."""
    total = sum(line["amount"] for line in lines)
    customer = ledger.get("customer", subscription["customer"])
    invoice = ledger.build(
        "invoice",
        at_s,
        amount_due=total,
        amount_remaining=total,
        subtotal=total,
        subtotal_excluding_tax=total,
        total=total,
        total_excluding_tax=total,
        billing_reason=reason,
        currency=subscription["currency"],
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        default_payment_method=subscription["default_payment_method"],
        effective_at=at_s,
        number=next_invoice_number(ledger, customer["id"]),
        period_start=at_s,
        period_end=at_s,
        parent={
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
    )
    invoice["status_transitions"]["finalized_at"] = at_s
    for line in lines:
        line["invoice"] = invoice["id"]
    invoice["lines"] |= {"data": lines, "url": f"/v1/invoices/{invoice['id']}/lines"}
    ledger.announce("invoice.created", invoice, at_s)
    return invoice


def build_line(
    ledger: Ledger,
    price: JSONObject,
    quantity: int,
    period: JSONObject,
    parent: JSONObject,
) -> JSONObject:
    """Return an invoice line; `parent` says which subscription item it stands for."""
    product = ledger.get("product", price["product"])
    amount = price["unit_amount"] * quantity
    return ledger.shapes.build(
        "line_item",
        amount=amount,
        subtotal=amount,
        currency=price["currency"],
        description=f"{quantity} x {product['name']}",
        quantity=quantity,
        quantity_decimal=str(quantity),
        period=period,
        parent=parent,
        subscription=(parent["subscription_item_details"] or {}).get("subscription"),
        pricing={
            "type": "price_details",
            "price_details": {"price": price["id"], "product": product["id"]},
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
    )


def settle_invoice(ledger: Ledger, invoice: JSONObject, at_s: int, *, is_paid: bool) -> JSONObject:
    """Charge the invoice: paid in full, or left open with the attempt counted; saved.

    Returns the payment intent; `announce_settled` tells of both once the subscription is
    saved as well.
    """
    total = invoice["total"]
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    intent = build_intent(
        ledger,
        amount_minor=total,
        currency=invoice["currency"],
        customer=invoice["customer"],
        payment_method=invoice["default_payment_method"],
        at_s=at_s,
        is_paid=is_paid,
    )
    ledger.save(intent)
    payment = ledger.build(
        "invoice_payment",
        at_s,
        amount_paid=total if is_paid else None,
        amount_requested=total,
        currency=invoice["currency"],
        invoice=invoice["id"],
        payment={"type": "payment_intent", "payment_intent": intent["id"]},
        status="paid" if is_paid else "open",
    )
    if is_paid:
        payment["status_transitions"]["paid_at"] = at_s
        invoice["status_transitions"]["paid_at"] = at_s
        invoice |= {"status": "paid", "amount_paid": total, "amount_remaining": 0}
    ledger.store.save(payment, owner=invoice["id"])
    ledger.save(invoice)
    return intent


def announce_settled(ledger: Ledger, invoice: JSONObject, intent: JSONObject, at_s: int) -> None:
    """Announce how charging the invoice went, with all the events that Stripe sends for it."""
    if invoice["status"] == "paid":
        ledger.announce("payment_intent.succeeded", intent, at_s)
        ledger.announce("invoice.paid", invoice, at_s)
        ledger.announce("invoice.payment_succeeded", invoice, at_s)
    else:
        ledger.announce("payment_intent.payment_failed", intent, at_s)
        ledger.announce("invoice.payment_failed", invoice, at_s)


def build_intent(
    ledger: Ledger,
    *,
    amount_minor: int,
    currency: str,
    customer: str | None,
    payment_method: str | None,
    at_s: int,
    is_paid: bool,
) -> JSONObject:
    """Return a payment intent that succeeded, or one whose card was declined; not saved yet."""
    return ledger.build(
        "payment_intent",
        at_s,
        amount=amount_minor,
        amount_received=amount_minor if is_paid else 0,
        currency=currency,
        customer=customer,
        payment_method=payment_method,
        status="succeeded" if is_paid else "requires_payment_method",
        last_payment_error=None
        if is_paid
        else {
            "code": "card_declined",
            "decline_code": "generic_decline",
            "message": "Your card was declined.",
            "type": "card_error",
        },
    )
