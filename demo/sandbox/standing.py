"""How a subscription stands after what became of its invoices: active, past due, or given up."""

from demo.sandbox.account import read_account
from demo.sandbox.collection import collect
from demo.sandbox.invoices import is_refused, stop_collecting, subscription_of
from demo.sandbox.ledger import Ledger
from demo.sandbox.pauses import finish_resumption
from demo.sandbox.pending import apply_pending, drop_pending
from demo.sandbox.schedule import ENDED
from demo.sandbox.shapes import JSONObject
from demo.sandbox.subscriptions import cancel_subscription, expire_incomplete

_UPDATED = "customer.subscription.updated"


def status_after(subscription: JSONObject, invoice: JSONObject) -> str:
    """Return the status of a running subscription whose latest invoice is `invoice`: pure."""
    status = str(subscription["status"])
    if invoice["status"] in {"paid", "uncollectible"}:
        return "active" if status in {"past_due", "unpaid"} else status
    if is_refused(invoice):
        return "past_due" if status in {"active", "trialing"} else status
    return status


def follow_invoice(ledger: Ledger, invoice: JSONObject, at_s: int) -> None:
    """Bring the subscription in line after its invoice was paid, refused, or closed.

    Only the latest invoice decides on the status (Stripe, "How subscriptions work").
    """
    subscription = ledger.get("subscription", subscription_of(invoice))
    if subscription["status"] in ENDED or subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["pending_update"] is not None:
        if invoice["status"] == "paid":
            apply_pending(ledger, subscription, at_s)
        elif invoice["status"] != "open":
            drop_pending(ledger, subscription, at_s)
    elif subscription["status"] == "paused":
        finish_resumption(ledger, subscription, invoice, at_s)
    elif subscription["status"] == "incomplete":
        if invoice["status"] == "paid":
            is_trial = (subscription["trial_end"] or 0) > at_s
            status = "trialing" if is_trial else "active"
            ledger.update(_UPDATED, subscription, at_s, status=status)
        elif invoice["status"] == "void":
            expire_incomplete(ledger, subscription, at_s)
    else:
        decisive = invoice
        if invoice["status"] == "void":
            decisive = _latest_standing(ledger, subscription) or invoice | {"status": "paid"}
        status = status_after(subscription, decisive)
        ledger.update(_UPDATED, subscription, at_s, status=status)


def retry_invoice(ledger: Ledger, invoice: JSONObject, at_s: int) -> None:
    """Try the open invoice once more, as its schedule says; the last refusal ends the dunning."""
    collect(ledger, invoice, at_s)
    follow_invoice(ledger, invoice, at_s)
    if invoice["status"] == "open" and invoice["next_payment_attempt"] is None:
        end_dunning(ledger, ledger.get("subscription", subscription_of(invoice)), at_s)


def end_dunning(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    """Do what the account has chosen for subscriptions whose last attempt failed."""
    wanted = read_account(ledger.store).dunning_end
    if subscription["status"] not in {"active", "past_due"}:
        return
    if wanted == "cancel":
        cancel_subscription(ledger, subscription, at_s, reason="payment_failed")
    elif wanted == "unpaid":
        stop_collecting(ledger, subscription["id"], at_s)
        ledger.update(_UPDATED, subscription, at_s, status="unpaid")


def _latest_standing(ledger: Ledger, subscription: JSONObject) -> JSONObject | None:
    """Return the latest invoice that is neither void nor a draft, or None."""
    invoices = ledger.store.newest("invoice", where={"subscription": subscription["id"]})
    return next((one for one in invoices if one["status"] not in {"void", "draft"}), None)
