"""Subscriptions: started, with or without a trial, and ended."""

from dataclasses import dataclass, field
from typing import Literal

from demo.sandbox.collection import collect
from demo.sandbox.errors import declined, missing
from demo.sandbox.invoices import draw_invoice, finalize_invoice, stop_collecting, void_invoice
from demo.sandbox.items import build_item, end_after_s, items_list
from demo.sandbox.ledger import Ledger
from demo.sandbox.lines import item_line, once_line, trial_line
from demo.sandbox.pending import drop_pending
from demo.sandbox.schedule import ENDED, period_end_s
from demo.sandbox.shapes import JSONObject
from demo.sandbox.trials import plan_notice

FirstPayment = Literal["paid", "processing", "allow_incomplete", "error_if_incomplete", "wait"]
"""How the first invoice is dealt with: it is paid on the hosted page, or settles days later
(the subscription is active meanwhile), or the card is charged and may refuse, or nothing is
charged until somebody pays it (`default_incomplete`)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a subscription starts; `fields` are further fields of the object."""

    customer: str
    payment_method: str | None
    metadata: dict[str, str] = field(default_factory=dict)
    trial_end_s: int | None = None
    missing_payment_method: str = "create_invoice"
    cancel_at_period_end: bool = False
    first_payment: FirstPayment = "allow_incomplete"
    fields: JSONObject = field(default_factory=dict)


def start_subscription(
    ledger: Ledger, lines: list[JSONObject], terms: Terms, at_s: int
) -> tuple[JSONObject, JSONObject]:
    """Start a subscription on the recurring prices of `lines`, with its first invoice.

    A line has a `price`, a `quantity`, and maybe `metadata`. Prices that are paid once go
    onto the first invoice; during a trial that is all it asks for. Returns the subscription
    and the invoice, both saved and announced.

    Raises:
        APIError: the card was declined and `error_if_incomplete` says that this is an error.
    """
    subscription = _build(ledger, lines, terms, at_s)
    bill = trial_line if terms.trial_end_s else item_line
    billed = [bill(ledger, item) for item in subscription["items"]["data"]]
    billed += [
        once_line(ledger, line["price"], line["quantity"], at_s)
        for line in lines
        if not line["price"]["recurring"]
    ]
    ledger.save(subscription)
    invoice = draw_invoice(ledger, subscription, billed, reason="subscription_create", at_s=at_s)
    finalize_invoice(ledger, invoice, at_s)
    subscription["latest_invoice"] = invoice["id"]
    if _is_accepted(ledger, invoice, terms.first_payment, at_s):
        subscription["status"] = "trialing" if terms.trial_end_s else "active"
    ledger.save(subscription)
    ledger.announce("customer.subscription.created", subscription, at_s)
    if terms.trial_end_s:
        plan_notice(ledger, subscription, at_s)
    return subscription, invoice


def cancel_subscription(
    ledger: Ledger,
    subscription: JSONObject,
    at_s: int,
    *,
    reason: str | None = "cancellation_requested",
    details: JSONObject | None = None,
) -> JSONObject:
    """End the subscription at once; what is open of its invoices is tried no more.

    Raises:
        APIError: it has ended before; Stripe answers as if it were not there.
    """
    if subscription["status"] in ENDED:
        raise missing("subscription", subscription["id"])
    was_running = subscription["status"] != "incomplete"
    if not was_running:
        _void_first_invoice(ledger, subscription, at_s)
    drop_pending(ledger, subscription, at_s)
    stop_collecting(ledger, subscription["id"], at_s)
    ledger.change(
        subscription,
        status="canceled" if was_running else "incomplete_expired",
        canceled_at=subscription["canceled_at"] or at_s,
        ended_at=at_s,
        cancellation_details=subscription["cancellation_details"]
        | (details or {})
        | {"reason": reason},
    )
    ledger.save(subscription)
    ledger.announce("customer.subscription.deleted", subscription, at_s)
    return subscription


def expire_incomplete(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    """Give up a subscription whose first invoice was not paid in time; the invoice is voided."""
    _void_first_invoice(ledger, subscription, at_s)
    ledger.update(
        "customer.subscription.updated",
        subscription,
        at_s,
        status="incomplete_expired",
        ended_at=at_s,
    )


def _void_first_invoice(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    invoice = ledger.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open":
        void_invoice(ledger, invoice, at_s)


def _build(ledger: Ledger, lines: list[JSONObject], terms: Terms, at_s: int) -> JSONObject:
    recurring = [line for line in lines if line["price"]["recurring"]]
    subscription = ledger.build(
        "subscription",
        at_s,
        start_date=at_s,
        status="incomplete",
        billing_cycle_anchor=terms.trial_end_s or at_s,
        customer=terms.customer,
        currency=recurring[0]["price"]["currency"],
        default_payment_method=terms.payment_method,
        metadata=terms.metadata,
        trial_start=at_s if terms.trial_end_s else None,
        trial_end=terms.trial_end_s,
        trial_settings={"end_behavior": {"missing_payment_method": terms.missing_payment_method}},
        **terms.fields,
    )
    items = [
        build_item(
            ledger,
            subscription["id"],
            line["price"],
            line["quantity"],
            at_s,
            end_s=terms.trial_end_s or end_after_s(line["price"], at_s, at_s),
            metadata=line.get("metadata"),
        )
        for line in recurring
    ]
    subscription["items"] = items_list(subscription["id"], items)
    if terms.cancel_at_period_end:
        subscription |= {"cancel_at_period_end": True, "canceled_at": at_s}
        subscription["cancel_at"] = period_end_s(subscription)
    return subscription


def _is_accepted(ledger: Ledger, invoice: JSONObject, payment: FirstPayment, at_s: int) -> bool:
    """Collect the first invoice as `payment` says; tell whether the subscription may begin."""
    if invoice["amount_due"] == 0 or payment == "paid":
        return collect(ledger, invoice, at_s, is_scheduled=False, refusal=None) is None
    if payment in {"processing", "wait"}:
        return payment == "processing"
    refusal = collect(ledger, invoice, at_s, is_scheduled=False)
    if refusal is not None and payment == "error_if_incomplete":
        raise declined(refusal, is_kept=False)
    return refusal is None
