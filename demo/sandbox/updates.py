"""Changes of a subscription that the API asks for: its items, its end, its trial, its pauses."""

import copy

from demo.sandbox.changes import Change, plan_change
from demo.sandbox.collection import check_owner, collect
from demo.sandbox.customers import merge_metadata
from demo.sandbox.errors import APIError, declined
from demo.sandbox.invoices import add_pending_lines, draw_invoice, finalize_invoice, is_refused
from demo.sandbox.items import items_list
from demo.sandbox.ledger import Ledger
from demo.sandbox.pending import build_pending, drop_pending
from demo.sandbox.renewals import end_trial
from demo.sandbox.schedule import ENDED, period_end_s
from demo.sandbox.shapes import JSONObject
from demo.sandbox.standing import end_dunning, status_after
from demo.sandbox.trials import check_trial_end, plan_notice

_UPDATED = "customer.subscription.updated"
_STILL_CHANGEABLE = {"metadata", "cancellation_details", "expand"}


def update_subscription(
    ledger: Ledger, subscription: JSONObject, params: JSONObject, at_s: int
) -> JSONObject:
    """Do what `POST /v1/subscriptions/{id}` asks for; announced once, if anything changed.

    Raises:
        APIError: a parameter is wrong, the subscription has ended, or the card was declined
            and `payment_behavior` makes that an error.
    """
    if subscription["status"] in ENDED and not params.keys() <= _STILL_CHANGEABLE:
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise APIError(message, param=min(params.keys() - _STILL_CHANGEABLE))
    if params.keys() & {"items", "trial_end"} or params.get("billing_cycle_anchor") == "now":
        # What is asked for now takes the place of what still waited.
        drop_pending(ledger, subscription, at_s)
    before = copy.deepcopy(subscription)
    _set_fields(ledger, subscription, params)
    if isinstance(params.get("trial_end"), int):
        _set_trial(subscription, params["trial_end"], at_s)
    change = plan_change(ledger, subscription, params, at_s)
    if change is not None:
        _carry_out(ledger, subscription, change, params, at_s)
    _set_cancellation(subscription, params, at_s)
    _announce(ledger, subscription, before, at_s)
    if subscription["trial_end"] != before["trial_end"]:
        plan_notice(ledger, subscription, at_s)
    if params.get("trial_end") == "now" and subscription["status"] == "trialing":
        _end_trial_now(ledger, subscription, at_s)
    elif subscription["status"] == "past_due" and change is not None:
        _end_if_last(ledger, subscription, at_s)
    return subscription


def _announce(ledger: Ledger, subscription: JSONObject, before: JSONObject, at_s: int) -> None:
    previous = {name: value for name, value in before.items() if subscription[name] != value}
    if previous:
        ledger.save(subscription)
        ledger.announce(_UPDATED, subscription, at_s, previous)


def _set_fields(ledger: Ledger, subscription: JSONObject, params: JSONObject) -> None:
    """Set what is simply kept."""
    if "metadata" in params:
        subscription["metadata"] = merge_metadata(subscription["metadata"], params["metadata"])
    if "description" in params:
        subscription["description"] = params["description"]
    if "default_payment_method" in params:
        chosen = params["default_payment_method"]
        if chosen is not None:
            name = "default_payment_method"
            check_owner(
                ledger.get_named("payment_method", chosen, param=name), subscription["customer"]
            )
        subscription["default_payment_method"] = chosen
    if "pause_collection" in params:
        pause = params["pause_collection"]
        subscription["pause_collection"] = None if pause is None else {"resumes_at": None, **pause}
    behavior = params.get("trial_settings", {}).get("end_behavior")
    if behavior:
        subscription["trial_settings"] = {"end_behavior": behavior}


def _set_cancellation(subscription: JSONObject, params: JSONObject, at_s: int) -> None:
    """Set or unset the end that is asked for; an end with the period follows the period."""
    asks_period = params.get("cancel_at_period_end")
    if asks_period is not None and params.get("cancel_at") is not None:
        message = "You may only specify one of these: cancel_at, cancel_at_period_end."
        raise APIError(message, param="cancel_at")
    wants_end, end_s = subscription["cancel_at_period_end"], subscription["cancel_at"]
    if asks_period is not None and asks_period != wants_end:
        wants_end, end_s = asks_period, None
    elif "cancel_at" in params:
        wants_end, end_s = False, _cancel_at_s(subscription, params["cancel_at"], at_s)
    if wants_end:
        end_s = period_end_s(subscription)
    details = subscription["cancellation_details"] | params.get("cancellation_details", {})
    if (wants_end, end_s is None) != (
        subscription["cancel_at_period_end"],
        subscription["cancel_at"] is None,
    ):
        subscription["canceled_at"] = None if end_s is None else at_s
        details["reason"] = None if end_s is None else "cancellation_requested"
    subscription |= {
        "cancel_at_period_end": wants_end,
        "cancel_at": end_s,
        "cancellation_details": details,
    }


def _cancel_at_s(subscription: JSONObject, wanted: int | str | None, at_s: int) -> int | None:
    ends = [int(item["current_period_end"]) for item in subscription["items"]["data"]]
    if wanted == "min_period_end":
        return min(ends)
    if wanted == "max_period_end":
        return max(ends)
    if wanted is not None and int(wanted) <= at_s:
        raise APIError("`cancel_at` must be in the future.", param="cancel_at")
    return None if wanted is None else int(wanted)


def _set_trial(subscription: JSONObject, end_s: int, at_s: int) -> None:
    """Put the subscription on trial up to `end_s`; its periods end there."""
    check_trial_end(end_s, at_s)
    if subscription["status"] not in {"active", "trialing"}:
        message = f"A subscription with a status of {subscription['status']} takes no trial."
        raise APIError(message, param="trial_end")
    items = copy.deepcopy(subscription["items"])
    for item in items["data"]:
        if subscription["status"] != "trialing":
            item["current_period_start"] = at_s
        item["current_period_end"] = end_s
    begun_s = subscription["trial_start"] if subscription["status"] == "trialing" else at_s
    subscription |= {
        "status": "trialing",
        "trial_start": begun_s,
        "trial_end": end_s,
        "billing_cycle_anchor": end_s,
        "items": items,
    }


def _end_trial_now(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    subscription["trial_end"] = at_s
    end_trial(ledger, subscription, at_s)


def _carry_out(
    ledger: Ledger, subscription: JSONObject, change: Change, params: JSONObject, at_s: int
) -> None:
    """Apply the change of items; where it is invoiced at once, as the payment allows."""
    behavior = params.get("payment_behavior", "allow_incomplete")
    invoice = None
    if change.is_invoiced:
        # The card may be new as well.
        ledger.save(subscription)
        invoice = draw_invoice(
            ledger, subscription, change.lines, reason="subscription_update", at_s=at_s
        )
        finalize_invoice(ledger, invoice, at_s)
        subscription["latest_invoice"] = invoice["id"]
        is_scheduled = behavior == "allow_incomplete"
        refusal = None
        if behavior != "default_incomplete" or invoice["amount_due"] == 0:
            refusal = collect(ledger, invoice, at_s, is_scheduled=is_scheduled)
        if refusal is not None and behavior == "error_if_incomplete":
            raise declined(refusal, is_kept=False)
        if refusal is not None and behavior == "pending_if_incomplete":
            subscription["pending_update"] = build_pending(
                subscription, change.items, change.anchor_s, at_s
            )
            return
    else:
        add_pending_lines(ledger, subscription["id"], change.lines)
    subscription |= {
        "items": items_list(subscription["id"], change.items),
        "billing_cycle_anchor": change.anchor_s,
    }
    if invoice is not None:
        subscription["status"] = status_after(subscription, invoice)
        if invoice["status"] == "open":
            # `default_incomplete` tries no payment and waits for somebody to make it.
            subscription["status"] = "past_due"


def _end_if_last(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    """End the dunning where the account tries no payment again."""
    invoice = ledger.get("invoice", subscription["latest_invoice"])
    if is_refused(invoice) and not invoice["auto_advance"]:
        end_dunning(ledger, subscription, at_s)
