"""Payment intents and their charges: what is asked for, and each attempt to get it."""

from demo.sandbox.disputes import plan_aftermath
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject

NO_METHOD = "no_payment_method"
"""The refusal of a payment that has no card to be tried on; Stripe makes no charge for it."""

_MESSAGES = {
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "insufficient_funds": "Your card has insufficient funds.",
    NO_METHOD: "You cannot confirm this PaymentIntent because it's missing a payment method.",
}
_DECLINED = "Your card was declined."


def open_intent(
    ledger: Ledger,
    *,
    amount_minor: int,
    currency: str,
    customer: str | None,
    at_s: int,
    metadata: dict[str, str] | None = None,
) -> JSONObject:
    """Save and return a payment intent that nothing was tried for yet."""
    intent = ledger.build(
        "payment_intent",
        at_s,
        amount=amount_minor,
        currency=currency,
        customer=customer,
        metadata=metadata or {},
    )
    intent["client_secret"] = f"{intent['id']}_secret_of_the_sandbox"
    ledger.save(intent)
    return intent


def attempt(
    ledger: Ledger,
    intent: JSONObject,
    method: JSONObject | None,
    at_s: int,
    *,
    refusal: str | None,
) -> None:
    """Charge the method once: paid in full, or refused with the decline code `refusal`.

    Saves the intent and the charge, and announces both.
    """
    intent["payment_method"] = method["id"] if method else None
    charge = None
    if method is not None:
        charge = _build_charge(ledger, intent, method, at_s, refusal)
        intent["latest_charge"] = charge["id"]
    if refusal is None:
        intent |= {"status": "succeeded", "last_payment_error": None, "next_action": None}
        intent["amount_received"] = intent["amount"]
    else:
        needs_step = refusal == "authentication_required"
        intent["status"] = "requires_action" if needs_step else "requires_payment_method"
        intent["last_payment_error"] = _error(refusal, charge, method)
    if charge is not None:
        ledger.save(charge)
        outcome = "failed" if refusal else "succeeded"
        ledger.announce(f"charge.{outcome}", charge, at_s)
        plan_aftermath(ledger, charge, at_s)
    ledger.save(intent)
    outcome = "payment_failed" if refusal else "succeeded"
    ledger.announce(f"payment_intent.{outcome}", intent, at_s)


def cancel_intent(ledger: Ledger, intent: JSONObject, at_s: int, *, reason: str) -> None:
    """Give the intent up: nothing can be paid on it any more."""
    if intent["status"] in {"succeeded", "canceled"}:
        return
    ledger.change(intent, status="canceled", canceled_at=at_s, cancellation_reason=reason)
    ledger.save(intent)
    ledger.announce("payment_intent.canceled", intent, at_s)


def _error(refusal: str, charge: JSONObject | None, method: JSONObject | None) -> JSONObject:
    error: JSONObject = {
        "code": "card_declined",
        "decline_code": refusal,
        "message": _MESSAGES.get(refusal, _DECLINED),
        "type": "card_error",
    }
    if method is None or charge is None:
        return error | {
            "code": "payment_intent_unexpected_state",
            "decline_code": None,
            "type": "invalid_request_error",
        }
    return error | {"charge": charge["id"], "payment_method": method}


def _build_charge(
    ledger: Ledger, intent: JSONObject, method: JSONObject, at_s: int, refusal: str | None
) -> JSONObject:
    is_paid = refusal is None
    charge = ledger.build(
        "charge",
        at_s,
        amount=intent["amount"],
        amount_captured=intent["amount"] if is_paid else 0,
        captured=is_paid,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        failure_code=None if is_paid else "card_declined",
        failure_message=None if is_paid else _MESSAGES.get(str(refusal), _DECLINED),
        metadata=intent["metadata"],
        outcome=_outcome(refusal),
        paid=is_paid,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details=_details(method, intent["amount"]),
        status="succeeded" if is_paid else "failed",
    )
    charge["billing_details"] |= {"email": method["billing_details"]["email"]}
    return charge


def _outcome(refusal: str | None) -> JSONObject:
    is_paid = refusal is None
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network" if is_paid else "declined_by_network",
        "reason": refusal,
        "seller_message": "Payment complete." if is_paid else "The bank declined the payment.",
        "type": "authorized" if is_paid else "issuer_declined",
    }


def _details(method: JSONObject, amount_minor: int) -> JSONObject:
    """Return what a charge tells of the card, as of the time of the charge."""
    if method["type"] != "card":
        return {"type": method["type"], method["type"]: method.get(method["type"])}
    card = method["card"]
    shared = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
    details = {name: card[name] for name in (*shared, "last4", "regulated_status", "wallet")}
    unavailable = {"status": "unavailable"}
    return {
        "type": "card",
        "card": details
        | {
            "amount_authorized": amount_minor,
            "authorization_code": None,
            "extended_authorization": {"status": "disabled"},
            "incremental_authorization": unavailable,
            "installments": None,
            "mandate": None,
            "multicapture": unavailable,
            "network": card["brand"],
            "network_token": {"used": False},
            "network_transaction_id": None,
            "overcapture": {"maximum_amount_capturable": amount_minor, **unavailable},
            "three_d_secure": None,
            "transaction_link_id": None,
        },
    }
