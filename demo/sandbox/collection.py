"""Collecting an invoice: one attempt with a card, and when the next one is due."""

from demo.sandbox.account import read_account
from demo.sandbox.cards import refusal_of
from demo.sandbox.errors import APIError, declined
from demo.sandbox.invoices import (
    finalize_invoice,
    give_up_payment,
    payment_of,
    subscription_of,
)
from demo.sandbox.ledger import Ledger
from demo.sandbox.payments import NO_METHOD, attempt
from demo.sandbox.shapes import JSONObject

_DAY_S = 86_400


def collect(
    ledger: Ledger,
    invoice: JSONObject,
    at_s: int,
    *,
    method: JSONObject | None = None,
    is_scheduled: bool = True,
    refusal: str | None = "of_the_card",
) -> str | None:
    """Try once to collect the open invoice; return None when paid, or why it was refused.

    The card is `method`, or the one that Stripe would take: the invoice's, the
    subscription's, the customer's. `refusal` overrides what the card does. A scheduled attempt
    that is refused sets the time of the next one; others leave the schedule alone.
    """
    if invoice["amount_due"] == 0:
        pay_in_full(ledger, invoice, at_s)
        return None
    method = method or find_method(ledger, invoice)
    if method is None:
        refusal = NO_METHOD
    elif refusal == "of_the_card":
        refusal = refusal_of(method[method["type"]]["last4"])
    payment = payment_of(ledger, invoice)
    if payment is None:
        raise RuntimeError("an open invoice without a payment")
    intent = ledger.get("payment_intent", payment["payment"]["payment_intent"])
    attempt(ledger, intent, method, at_s, refusal=refusal)
    if refusal is None:
        payment |= {"status": "paid", "amount_paid": invoice["amount_due"]}
        payment["status_transitions"]["paid_at"] = at_s
        ledger.save(payment)
        ledger.announce("invoice_payment.paid", payment, at_s)
        pay_in_full(ledger, invoice, at_s)
        return None
    _note_failure(ledger, invoice, at_s, is_scheduled=is_scheduled)
    ledger.announce("invoice.payment_failed", invoice, at_s)
    if intent["status"] == "requires_action":
        ledger.announce("invoice.payment_action_required", invoice, at_s)
    return refusal


def pay_on_request(ledger: Ledger, invoice: JSONObject, params: JSONObject, at_s: int) -> None:
    """Do what `POST /v1/invoices/{id}/pay` asks for.

    Raises:
        APIError: the invoice cannot be paid, or the card was declined, which is kept.
    """
    if invoice["status"] == "draft":
        finalize_invoice(ledger, invoice, at_s)
    if invoice["status"] not in {"open", "uncollectible"}:
        words = "is already paid" if invoice["status"] == "paid" else f"is {invoice['status']}"
        raise APIError(f"Invoice {words}.", code="invoice_not_editable")
    if params.get("paid_out_of_band"):
        give_up_payment(ledger, invoice, at_s)
        pay_in_full(ledger, invoice, at_s)
        return
    method = None
    if "payment_method" in params:
        found = ledger.get_named("payment_method", params["payment_method"], param="payment_method")
        check_owner(found, invoice["customer"])
        method = found
    refusal = collect(ledger, invoice, at_s, method=method, is_scheduled=False)
    if refusal is not None:
        raise declined(refusal, is_kept=True)


def pay_in_full(ledger: Ledger, invoice: JSONObject, at_s: int) -> None:
    """Close the invoice as paid and announce it."""
    if invoice["status"] == "open":
        invoice["attempted"] = True
        invoice["attempt_count"] += 1 if invoice["amount_due"] else 0
    invoice |= {
        "status": "paid",
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "auto_advance": False,
        "next_payment_attempt": None,
    }
    invoice["status_transitions"]["paid_at"] = at_s
    ledger.save(invoice)
    ledger.announce("invoice.paid", invoice, at_s)
    ledger.announce("invoice.payment_succeeded", invoice, at_s)


def find_method(ledger: Ledger, invoice: JSONObject) -> JSONObject | None:
    """Return the payment method that the invoice is charged to, or None if there is none."""
    subscription = ledger.get("subscription", subscription_of(invoice))
    return method_of(ledger, subscription, invoice["default_payment_method"])


def method_of(
    ledger: Ledger, subscription: JSONObject, first_choice: str | None = None
) -> JSONObject | None:
    """Return the payment method that the subscription's invoices are charged to, or None."""
    customer = ledger.get("customer", subscription["customer"])
    if "deleted" in customer:
        return None
    usual = customer["invoice_settings"]["default_payment_method"]
    chosen = first_choice or subscription["default_payment_method"] or usual
    return None if chosen is None else ledger.get("payment_method", chosen)


def check_owner(method: JSONObject, customer: str) -> None:
    """Refuse a payment method that is not attached to the customer."""
    if method["customer"] != customer:
        raise APIError(
            "The customer does not have a payment method with the ID "
            f"{method['id']}. The payment method must be attached to the customer.",
            code="resource_missing",
            param="payment_method",
        )


def _note_failure(ledger: Ledger, invoice: JSONObject, at_s: int, *, is_scheduled: bool) -> None:
    is_first = not invoice["attempted"]
    invoice["attempted"] = True
    if is_scheduled or is_first:
        invoice["attempt_count"] += 1
    if is_scheduled:
        waits = read_account(ledger.store).retry_after_days
        wanted = waits[invoice["attempt_count"] - 1 : invoice["attempt_count"]]
        next_s = at_s + wanted[0] * _DAY_S if wanted else None
        invoice |= {"next_payment_attempt": next_s, "auto_advance": next_s is not None}
    ledger.save(invoice)
