"""What a buyer does on a session's page: pays by card or debit, or is refused."""

from typing import TypeAlias

from demo.sandbox.bank_accounts import BankAccount
from demo.sandbox.cards import Card
from demo.sandbox.customers import create_customer
from demo.sandbox.debits import begin_debit, intent_of_invoice, save_account
from demo.sandbox.ledger import Ledger
from demo.sandbox.payment_methods import save_card
from demo.sandbox.payments import attempt, open_intent
from demo.sandbox.sessions import line_items, plan_of, takes_no_card
from demo.sandbox.shapes import JSONObject
from demo.sandbox.subscriptions import Terms, start_subscription
from demo.sandbox.trials import trial_end_of

Means: TypeAlias = Card | BankAccount
"""What a buyer pays with."""

_NOBODY: JSONObject = {
    "address": None,
    "business_name": None,
    "email": None,
    "individual_name": None,
    "name": None,
    "phone": None,
    "tax_exempt": "none",
    "tax_ids": [],
}


def pay_session(
    ledger: Ledger, session: JSONObject, means: Means | None, email: str | None, at_s: int
) -> str | None:
    """Try to pay the open session; return None, or why that was refused.

    A refusal leaves the session open and a failed payment on record. Success completes the
    session and announces it together with what it brought about, all in the same second.
    A debit completes it unpaid: how that went is known days later. Without any means only
    what `takes_no_card` can be completed.
    """
    if means is None and not takes_no_card(session):
        return "Your card number is invalid."
    if isinstance(means, Card) and means.is_declined:
        refuse_card(ledger, session, means, email, at_s, decline_code="generic_decline")
        return "Your card was declined. Try another card."
    customer = _customer_of(ledger, session, email, at_s)
    method = None if means is None else _save_means(ledger, means, customer, email, at_s)
    is_debit = isinstance(means, BankAccount) and session["amount_total"] > 0
    paid: JSONObject
    intent: JSONObject | None
    if session["mode"] == "subscription":
        paid = _subscribe(ledger, session, customer, method, at_s, is_debit=is_debit)
        intent = intent_of_invoice(ledger, paid["invoice"])
    else:
        metadata = plan_of(ledger, session)["payment_metadata"]
        intent = _open_intent(ledger, session, customer, at_s, metadata)
        paid = {"payment_intent": intent["id"]}
        if not is_debit:
            attempt(ledger, intent, method, at_s, refusal=None)
    ledger.change(
        session,
        **paid,
        status="complete",
        payment_status=_payment_status(session, is_debit=is_debit),
        url=None,
        customer=customer,
        customer_details=_NOBODY | {"email": email},
    )
    ledger.save(session)
    if is_debit and intent is not None and method is not None:
        begin_debit(ledger, session, intent, method, at_s)
    ledger.announce("checkout.session.completed", session, at_s)
    return None


def refuse_card(
    ledger: Ledger,
    session: JSONObject,
    card: Card,
    email: str | None,
    at_s: int,
    *,
    decline_code: str,
) -> None:
    """Put a refused card on record; the session stays open."""
    intent = _open_intent(ledger, session, session["customer"], at_s)
    method = save_card(ledger, card, None, email, at_s)
    attempt(ledger, intent, method, at_s, refusal=decline_code)


def _payment_status(session: JSONObject, *, is_debit: bool) -> str:
    if is_debit:
        return "unpaid"
    return "paid" if session["amount_total"] else "no_payment_required"


def _save_means(
    ledger: Ledger, means: Means, customer: str | None, email: str | None, at_s: int
) -> JSONObject:
    if isinstance(means, Card):
        return save_card(ledger, means, customer, email, at_s)
    return save_account(ledger, means, customer, email, at_s)


def _customer_of(ledger: Ledger, session: JSONObject, email: str | None, at_s: int) -> str | None:
    if session["customer"] is not None:
        return str(session["customer"])
    if session["mode"] == "payment" and session["customer_creation"] != "always":
        return None
    return str(create_customer(ledger, {"email": email}, at_s)["id"])


def _open_intent(
    ledger: Ledger,
    session: JSONObject,
    customer: str | None,
    at_s: int,
    metadata: dict[str, str] | None = None,
) -> JSONObject:
    return open_intent(
        ledger,
        amount_minor=session["amount_total"],
        currency=session["currency"],
        customer=customer,
        at_s=at_s,
        metadata=metadata,
    )


def _subscribe(
    ledger: Ledger,
    session: JSONObject,
    customer: str | None,
    method: JSONObject | None,
    at_s: int,
    *,
    is_debit: bool,
) -> JSONObject:
    """Start the session's subscription; return the ids that the session gets."""
    if customer is None:
        raise RuntimeError("a subscription without a customer")
    data = plan_of(ledger, session)["subscription_data"]
    behavior = data.get("trial_settings", {}).get("end_behavior", {})
    terms = Terms(
        customer=customer,
        payment_method=None if method is None else method["id"],
        metadata=data.get("metadata", {}),
        trial_end_s=trial_end_of(data, at_s),
        missing_payment_method=behavior.get("missing_payment_method", "create_invoice"),
        first_payment="processing" if is_debit else "paid",
    )
    subscription, invoice = start_subscription(
        ledger, line_items(ledger, session["id"]), terms, at_s
    )
    return {"subscription": subscription["id"], "invoice": invoice["id"]}
