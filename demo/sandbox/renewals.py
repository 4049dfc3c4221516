"""What time does to a subscription: trials and periods end, waits run out."""

from demo.sandbox.collection import collect, method_of
from demo.sandbox.invoices import (
    draw_invoice,
    finalize_invoice,
    hold_invoice,
    is_refused,
    mark_uncollectible,
    void_invoice,
)
from demo.sandbox.items import is_due, items_list, move_on
from demo.sandbox.ledger import Ledger
from demo.sandbox.lines import item_line
from demo.sandbox.pending import drop_pending
from demo.sandbox.schedule import period_end_s
from demo.sandbox.shapes import JSONObject
from demo.sandbox.standing import end_dunning, status_after
from demo.sandbox.subscriptions import cancel_subscription, expire_incomplete


def settle_subscription(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    """Do the first thing that `at_s`, the time at which the subscription fell due, asks for.

    What is due besides stays due, and is done at the next call.
    """
    pending, pause = subscription["pending_update"], subscription["pause_collection"]
    if _is_reached(subscription["cancel_at"], at_s):
        cancel_subscription(ledger, subscription, at_s)
    elif subscription["status"] == "incomplete":
        expire_incomplete(ledger, subscription, at_s)
    elif pending and _is_reached(pending["expires_at"], at_s):
        drop_pending(ledger, subscription, at_s)
    elif pause and _is_reached(pause["resumes_at"], at_s):
        update = "customer.subscription.updated"
        ledger.update(update, subscription, at_s, pause_collection=None)
    elif subscription["status"] == "trialing":
        end_trial(ledger, subscription, at_s)
    else:
        renew(ledger, subscription, at_s, subscription["billing_cycle_anchor"])


def end_trial(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    """Begin the first paid period, or do what was chosen for want of a payment method."""
    wanted = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    has_method = method_of(ledger, subscription) is not None
    if not has_method and wanted == "cancel":
        cancel_subscription(ledger, subscription, at_s, reason=None)
    elif not has_method and wanted == "pause":
        update = "customer.subscription.updated"
        ledger.update(update, subscription, at_s, status="paused")
        ledger.announce("customer.subscription.paused", subscription, at_s)
    else:
        for item in subscription["items"]["data"]:
            item["current_period_end"] = min(at_s, item["current_period_end"])
        renew(ledger, subscription, at_s, at_s)


def renew(ledger: Ledger, subscription: JSONObject, at_s: int, anchor_s: int) -> None:
    """Begin the next period of every item whose period is over, and invoice those items."""
    before = ledger.get("subscription", subscription["id"])
    old = subscription["items"]["data"]
    moved = {
        item["id"]: item for item in move_on([i for i in old if is_due(i, at_s)], anchor_s, at_s)
    }
    items = [moved.get(item["id"], item) for item in old]
    start_s = min(item["current_period_start"] for item in old if item["id"] in moved)
    invoice = draw_invoice(
        ledger,
        subscription,
        [item_line(ledger, item) for item in moved.values()],
        reason="subscription_cycle",
        at_s=at_s,
        period_start_s=start_s,
    )
    _collect_renewal(ledger, subscription, invoice, at_s)
    ledger.change(
        subscription,
        items=items_list(subscription["id"], items),
        billing_cycle_anchor=anchor_s,
        latest_invoice=invoice["id"],
        status=_status_after_renewal(subscription, invoice),
    )
    if subscription["cancel_at_period_end"]:
        # A trial that was ended early brought another period.
        subscription["cancel_at"] = period_end_s(subscription)
    previous = {name: value for name, value in before.items() if subscription[name] != value}
    ledger.save(subscription)
    ledger.announce("customer.subscription.updated", subscription, at_s, previous)
    if is_refused(invoice) and invoice["next_payment_attempt"] is None:
        end_dunning(ledger, subscription, at_s)


def _collect_renewal(
    ledger: Ledger, subscription: JSONObject, invoice: JSONObject, at_s: int
) -> None:
    """Collect the draft, or do with it what pausing collection or `unpaid` asks for."""
    pause = subscription["pause_collection"]
    if subscription["status"] == "unpaid" or (pause and pause["behavior"] == "keep_as_draft"):
        hold_invoice(ledger, invoice, at_s)
        return
    finalize_invoice(ledger, invoice, at_s)
    if pause is None:
        collect(ledger, invoice, at_s)
    elif pause["behavior"] == "void":
        void_invoice(ledger, invoice, at_s)
    else:
        mark_uncollectible(ledger, invoice, at_s)


def _status_after_renewal(subscription: JSONObject, invoice: JSONObject) -> str:
    if subscription["status"] == "trialing" and invoice["status"] != "open":
        return "active"
    if subscription["pause_collection"]:
        return str(subscription["status"])
    return status_after(subscription, invoice)


def _is_reached(moment_s: int | None, at_s: int) -> bool:
    return moment_s is not None and moment_s <= at_s
