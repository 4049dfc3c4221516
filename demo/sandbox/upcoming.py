"""The invoice of the next period, announced before there is one: it has no id."""

from demo.sandbox.ledger import Ledger
from demo.sandbox.schedule import period_end_s
from demo.sandbox.shapes import JSONObject


def announce_upcoming(ledger: Ledger, subscription: JSONObject, at_s: int) -> str:
    """Announce `invoice.upcoming`; return the event's id.

    Its subject is the one object without an `id` (Stripe, "Types of events").
    """
    items = subscription["items"]["data"]
    total = sum(item["price"]["unit_amount"] * item["quantity"] for item in items)
    due_s = period_end_s(subscription)
    invoice = ledger.build(
        "invoice",
        at_s,
        amount_due=total,
        amount_remaining=total,
        subtotal=total,
        total=total,
        billing_reason="upcoming",
        currency=subscription["currency"],
        customer=subscription["customer"],
        next_payment_attempt=due_s,
        period_start=items[0]["current_period_start"],
        period_end=due_s,
        status="draft",
        parent={
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
    )
    del invoice["id"]
    return ledger.announce("invoice.upcoming", invoice, at_s)
