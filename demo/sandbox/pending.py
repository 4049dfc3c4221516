"""Pending updates: changes of a subscription that wait for their invoice to be paid."""

from demo.sandbox.invoices import void_invoice
from demo.sandbox.items import items_list
from demo.sandbox.ledger import Ledger
from demo.sandbox.schedule import FIRST_PAYMENT_LIMIT_S, period_end_s
from demo.sandbox.shapes import JSONObject


def build_pending(
    subscription: JSONObject, items: list[JSONObject], anchor_s: int, at_s: int
) -> JSONObject:
    """Return the `pending_update` that holds `items` back until they are paid for.

    It expires after 23 hours, or with the current period where that ends before (Stripe,
    "Pending updates reference", Expiration).
    """
    is_moved = anchor_s != subscription["billing_cycle_anchor"]
    return {
        "billing_cycle_anchor": anchor_s if is_moved else None,
        "discount": None,
        "discounts": None,
        "expires_at": min(at_s + FIRST_PAYMENT_LIMIT_S, period_end_s(subscription)),
        "metadata": None,
        "subscription_items": items,
        "trial_end": None,
        "trial_from_plan": None,
    }


def apply_pending(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    """Let the pending update take effect; its invoice has been paid."""
    pending = subscription["pending_update"]
    anchor_s = pending["billing_cycle_anchor"] or subscription["billing_cycle_anchor"]
    items = items_list(subscription["id"], pending["subscription_items"])
    previous = ledger.change(
        subscription, items=items, billing_cycle_anchor=anchor_s, pending_update=None
    )
    if subscription["cancel_at_period_end"]:
        previous |= ledger.change(subscription, cancel_at=period_end_s(subscription))
    ledger.save(subscription)
    ledger.announce("customer.subscription.updated", subscription, at_s, previous)
    ledger.announce("customer.subscription.pending_update_applied", subscription, at_s)


def drop_pending(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    """Discard the pending update and void its invoice; nothing happens without one."""
    if subscription["pending_update"] is None:
        return
    invoice = ledger.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open":
        void_invoice(ledger, invoice, at_s)
    previous = ledger.change(subscription, pending_update=None)
    ledger.save(subscription)
    ledger.announce("customer.subscription.updated", subscription, at_s, previous)
    ledger.announce("customer.subscription.pending_update_expired", subscription, at_s)
