"""Lines of invoices: what a price costs for a period, in full, for a part of it, or on trial."""

from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject


def item_line(ledger: Ledger, item: JSONObject) -> JSONObject:
    """Return the line for the item's whole current period."""
    return _build(ledger, item, item["price"]["unit_amount"] * item["quantity"])


def trial_line(ledger: Ledger, item: JSONObject) -> JSONObject:
    """Return the line that says that the item's current period costs nothing."""
    return _build(ledger, item, 0, words="Trial period for")


def unused_line(ledger: Ledger, item: JSONObject, at_s: int) -> JSONObject:
    """Return the credit for what is left of the item's period at `at_s`."""
    amount = -_share(item, at_s)
    return _build(ledger, item, amount, words="Unused time on", from_s=at_s)


def remaining_line(ledger: Ledger, item: JSONObject, at_s: int) -> JSONObject:
    """Return the charge for the item from `at_s` to the end of its period."""
    return _build(ledger, item, _share(item, at_s), words="Remaining time on", from_s=at_s)


def once_line(ledger: Ledger, price: JSONObject, quantity: int, at_s: int) -> JSONObject:
    """Return the line for a price that is paid once."""
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": None,
    }
    parent = {
        "invoice_item_details": details,
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
    period = {"start": at_s, "end": at_s}
    amount = price["unit_amount"] * quantity
    return _line(ledger, price, quantity, amount, period, parent)


def _share(item: JSONObject, at_s: int) -> int:
    """Return what the rest of the period is worth, to the nearest minor unit.

    To the second, as Stripe prorates ("Prorations").
    """
    start_s, end_s = item["current_period_start"], item["current_period_end"]
    full = item["price"]["unit_amount"] * item["quantity"]
    left_s = max(0, min(end_s - at_s, end_s - start_s))
    return int((2 * full * left_s + (end_s - start_s)) // (2 * (end_s - start_s)))


def _build(
    ledger: Ledger,
    item: JSONObject,
    amount: int,
    *,
    words: str | None = None,
    from_s: int | None = None,
) -> JSONObject:
    start_s = item["current_period_start"] if from_s is None else from_s
    parent = {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": from_s is not None,
            "proration_details": {"credited_items": None},
            "subscription": item["subscription"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }
    period = {"start": start_s, "end": item["current_period_end"]}
    return _line(ledger, item["price"], item["quantity"], amount, period, parent, words=words)


def _line(
    ledger: Ledger,
    price: JSONObject,
    quantity: int,
    amount: int,
    period: JSONObject,
    parent: JSONObject,
    *,
    words: str | None = None,
) -> JSONObject:
    product = ledger.get("product", price["product"])
    return ledger.shapes.build(
        "line_item",
        amount=amount,
        subtotal=amount,
        currency=price["currency"],
        description=f"{words or f'{quantity} x'} {product['name']}",
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
