"""Pausing a subscription for real, and resuming it.

Stripe, "Pause subscriptions": a paused subscription makes no invoices and its periods stand
still. `pause_collection` is something else: the status stays as it is, see `renewals`.
"""

from demo.sandbox.collection import collect
from demo.sandbox.errors import APIError
from demo.sandbox.invoices import (
    add_pending_lines,
    draw_invoice,
    finalize_invoice,
    is_refused,
    stop_collecting,
    void_invoice,
)
from demo.sandbox.items import is_due, items_list, move_on
from demo.sandbox.ledger import Ledger
from demo.sandbox.lines import item_line, remaining_line, unused_line
from demo.sandbox.pending import drop_pending
from demo.sandbox.schedule import FIRST_PAYMENT_LIMIT_S, period_end_s
from demo.sandbox.shapes import JSONObject

_UPDATED = "customer.subscription.updated"
_RESUMPTION = "sandbox.resumption"


def pause_subscription(
    ledger: Ledger, subscription: JSONObject, params: JSONObject, at_s: int
) -> None:
    """Pause it, and credit what is left of its periods unless `bill_for` says otherwise.

    Raises:
        APIError: it is not running.
    """
    if subscription["status"] not in {"active", "past_due", "trialing", "unpaid"}:
        message = f"You cannot pause a subscription with a status of {subscription['status']}."
        raise APIError(message)
    drop_pending(ledger, subscription, at_s)
    stop_collecting(ledger, subscription["id"], at_s)
    from_when = params.get("bill_for", {}).get("unused_time_from", {}).get("type", "now")
    # Unpaid time is nobody's credit.
    if from_when != "none" and subscription["status"] == "active":
        items = subscription["items"]["data"]
        lines = [unused_line(ledger, i, _credit_from_s(i, from_when, at_s)) for i in items]
        if params.get("invoicing_behavior") == "invoice":
            invoice = draw_invoice(
                ledger, subscription, lines, reason="subscription_update", at_s=at_s
            )
            finalize_invoice(ledger, invoice, at_s)
            collect(ledger, invoice, at_s, is_scheduled=False)
            subscription["latest_invoice"] = invoice["id"]
        else:
            add_pending_lines(ledger, subscription["id"], lines)
    ledger.update(_UPDATED, subscription, at_s, status="paused")
    ledger.announce("customer.subscription.paused", subscription, at_s)


def resume_subscription(
    ledger: Ledger, subscription: JSONObject, params: JSONObject, at_s: int
) -> None:
    """Resume it with a period that begins now, or with the one that runs by its old anchor.

    Where that costs something an invoice is made, and `payment_behavior` decides whether a
    refused card leaves the subscription past due or paused.

    Raises:
        APIError: it is not paused.
    """
    if subscription["status"] != "paused":
        raise APIError("Only paused subscriptions can be resumed.")
    _give_up_resumption(ledger, subscription, at_s)
    items, anchor_s, lines = _plan_resumption(ledger, subscription, params, at_s)
    plan: JSONObject = {
        "id": _plan_id(subscription),
        "object": _RESUMPTION,
        "subscription": subscription["id"],
        "items": items,
        "anchor": anchor_s,
        "due_at_s": at_s + FIRST_PAYMENT_LIMIT_S,
    }
    if not lines:
        owes = is_refused(ledger.get("invoice", subscription["latest_invoice"]))
        status = "past_due" if owes else "active"
        _run_again(ledger, subscription, plan, at_s, status=status)
        return
    invoice = draw_invoice(ledger, subscription, lines, reason="subscription_update", at_s=at_s)
    finalize_invoice(ledger, invoice, at_s)
    subscription["latest_invoice"] = invoice["id"]
    waits = params.get("payment_behavior") == "resume_on_payment_success"
    refusal = collect(ledger, invoice, at_s, is_scheduled=not waits)
    if refusal is None:
        _run_again(ledger, subscription, plan, at_s, status="active")
    elif waits:
        ledger.save(plan)
        latest = subscription["latest_invoice"]
        found = ledger.get("subscription", subscription["id"])
        ledger.update(_UPDATED, found, at_s, latest_invoice=latest)
    else:
        _run_again(ledger, subscription, plan, at_s, status="past_due")


def finish_resumption(
    ledger: Ledger, subscription: JSONObject, invoice: JSONObject, at_s: int
) -> None:
    """Resume for good once the invoice is paid or written off; a void one leaves it paused."""
    plan = ledger.store.find(_RESUMPTION, _plan_id(subscription))
    if plan is None or invoice["status"] == "open":
        return
    ledger.store.delete(plan["id"])
    if invoice["status"] != "void":
        _run_again(ledger, subscription, plan, at_s, status="active")


def expire_resumption(ledger: Ledger, plan: JSONObject, at_s: int) -> None:
    """Void the invoice that nobody paid within 23 hours; the subscription stays paused."""
    subscription = ledger.get("subscription", plan["subscription"])
    ledger.store.delete(plan["id"])
    invoice = ledger.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open":
        void_invoice(ledger, invoice, at_s)


def _give_up_resumption(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    plan = ledger.store.find(_RESUMPTION, _plan_id(subscription))
    if plan is not None:
        expire_resumption(ledger, plan, at_s)


def _plan_resumption(
    ledger: Ledger, subscription: JSONObject, params: JSONObject, at_s: int
) -> tuple[list[JSONObject], int, list[JSONObject]]:
    """Return the items with their periods, the anchor, and what is to be paid at once."""
    old = subscription["items"]["data"]
    anchor = params.get("billing_cycle_anchor", "now")
    kind = anchor["type"] if isinstance(anchor, dict) else anchor
    if kind == "now":
        items = move_on(old, at_s, at_s)
        return items, at_s, [item_line(ledger, item) for item in items]
    anchor_s = subscription["billing_cycle_anchor"]
    items = [move_on([i], anchor_s, at_s)[0] if is_due(i, at_s) else i for i in old]
    lines = [remaining_line(ledger, item, at_s) for item in items]
    behavior = params.get("proration_behavior", "create_prorations")
    if behavior == "create_prorations":
        add_pending_lines(ledger, subscription["id"], lines)
    return items, anchor_s, lines if behavior == "always_invoice" else []


def _run_again(
    ledger: Ledger, subscription: JSONObject, plan: JSONObject, at_s: int, *, status: str
) -> None:
    before = ledger.get("subscription", subscription["id"])
    subscription |= {
        "status": status,
        "items": items_list(subscription["id"], plan["items"]),
        "billing_cycle_anchor": plan["anchor"],
    }
    if subscription["cancel_at_period_end"]:
        subscription["cancel_at"] = period_end_s(subscription)
    previous = {name: value for name, value in before.items() if subscription[name] != value}
    ledger.save(subscription)
    ledger.announce(_UPDATED, subscription, at_s, previous)
    ledger.announce("customer.subscription.resumed", subscription, at_s)


def _credit_from_s(item: JSONObject, from_when: str, at_s: int) -> int:
    whole = from_when == "item_current_period_start"
    return int(item["current_period_start"]) if whole else at_s


def _plan_id(subscription: JSONObject) -> str:
    return f"resumption_of_{subscription['id']}"
