"""SEPA debits: a payment is `processing` for days, and only then is it known how it went."""

from demo.sandbox.bank_accounts import BankAccount
from demo.sandbox.cards import refusal_of
from demo.sandbox.collection import collect
from demo.sandbox.invoices import payment_of
from demo.sandbox.ledger import Ledger
from demo.sandbox.payments import attempt
from demo.sandbox.shapes import JSONObject
from demo.sandbox.standing import follow_invoice

# Stripe says 5 business days at most ("SEPA Direct Debit payments", Timing).
SETTLES_AFTER_S = 5 * 86_400

_DEBIT = "sandbox.debit"


def save_account(
    ledger: Ledger, account: BankAccount, customer_id: str | None, email: str | None, at_s: int
) -> JSONObject:
    """Keep the account as a payment method, of the customer if there is one."""
    method = ledger.build("payment_method", at_s, customer=customer_id, type="sepa_debit")
    del method["card"]
    method["billing_details"]["email"] = email
    method["sepa_debit"] = {
        "bank_code": account.bank_code,
        "branch_code": "",
        "country": account.country,
        "fingerprint": f"of_{account.country}{account.last4}",
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": account.last4,
    }
    ledger.save(method)
    return method


def begin_debit(
    ledger: Ledger, session: JSONObject, intent: JSONObject, method: JSONObject, at_s: int
) -> None:
    """Hand the debit to the bank. The session is complete and unpaid until it has settled."""
    intent |= {"status": "processing", "payment_method": method["id"]}
    ledger.save(intent)
    ledger.announce("payment_intent.processing", intent, at_s)
    debit = {
        "id": f"debit_of_{session['id']}",
        "object": _DEBIT,
        "session": session["id"],
        "intent": intent["id"],
        "invoice": session["invoice"],
        "method": method["id"],
        "due_at_s": at_s + SETTLES_AFTER_S,
    }
    ledger.save(debit)


def intent_of_invoice(ledger: Ledger, invoice_id: str) -> JSONObject | None:
    """Return the payment intent of the session's invoice, or None if it asks for nothing."""
    payment = payment_of(ledger, ledger.get("invoice", invoice_id))
    if payment is None:
        return None
    return ledger.get("payment_intent", payment["payment"]["payment_intent"])


def settle_debit(ledger: Ledger, debit: JSONObject, at_s: int) -> None:
    """Let the bank say how the debit went: paid, or refused as its account's number has it.

    Nothing is left to settle where the payment was given up or made in another way.
    """
    ledger.store.delete(debit["id"])
    intent = ledger.get("payment_intent", debit["intent"])
    if intent["status"] != "processing":
        return
    method = ledger.get("payment_method", debit["method"])
    refusal = refusal_of(method["sepa_debit"]["last4"])
    session = ledger.get("checkout.session", debit["session"])
    if debit["invoice"] is None:
        attempt(ledger, intent, method, at_s, refusal=refusal)
    else:
        invoice = ledger.get("invoice", debit["invoice"])
        collect(ledger, invoice, at_s, method=method, refusal=refusal)
        follow_invoice(ledger, invoice, at_s)
    if refusal is None:
        ledger.change(session, payment_status="paid")
        ledger.save(session)
    outcome = "failed" if refusal else "succeeded"
    ledger.announce(f"checkout.session.async_payment_{outcome}", session, at_s)
