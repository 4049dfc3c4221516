"""Disputes and early fraud warnings: what banks report of a charge.

They begin by the sandbox's own operations (`/_sandbox/disputes`), or by Stripe's test cards:
4000 0000 0000 0259 is disputed as fraud as soon as it has paid, 4000 0000 0000 1976 brings an
inquiry, and 4000 0000 0000 5423 an early fraud warning.
"""

from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject

_EVIDENCE_S = 9 * 86_400
_OPEN = {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}
_AFTERMATH = "sandbox.aftermath"

# What the card that ends so brings about once it has paid.
_BY_CARD = {"0259": "dispute", "1976": "inquiry", "5423": "warning"}


def open_dispute(
    ledger: Ledger, charge: JSONObject, at_s: int, *, reason: str, amount: int | None, inquiry: bool
) -> JSONObject:
    """Have the charge disputed; unless it is an inquiry, the money is withdrawn at once.

    Raises:
        APIError: the charge was not paid, or is disputed already.
    """
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise APIError(f"Charge {charge['id']} cannot be disputed.", param="charge")
    dispute = ledger.build(
        "dispute",
        at_s,
        amount=charge["amount"] if amount is None else amount,
        charge=charge["id"],
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        reason=reason,
        is_charge_refundable=inquiry,
        status="warning_needs_response" if inquiry else "needs_response",
    )
    dispute["evidence_details"]["due_by"] = at_s + _EVIDENCE_S
    dispute["payment_method_details"]["card"]["case_type"] = "inquiry" if inquiry else "chargeback"
    ledger.save(dispute)
    # An inquiry may still be refunded, and is no dispute to the charge.
    ledger.update("charge.updated", charge, at_s, disputed=not inquiry)
    ledger.announce("charge.dispute.created", dispute, at_s)
    if not inquiry:
        ledger.announce("charge.dispute.funds_withdrawn", dispute, at_s)
    return dispute


def close_dispute(ledger: Ledger, dispute: JSONObject, at_s: int, *, is_won: bool) -> JSONObject:
    """Decide the dispute; what is won comes back.

    Raises:
        APIError: it is decided already.
    """
    if dispute["status"] not in _OPEN:
        raise APIError("This dispute is already closed.")
    is_inquiry = dispute["status"].startswith("warning_")
    status = "warning_closed" if is_inquiry else "won" if is_won else "lost"
    previous = ledger.change(dispute, status=status)
    ledger.save(dispute)
    ledger.announce("charge.dispute.updated", dispute, at_s, previous)
    ledger.announce("charge.dispute.closed", dispute, at_s)
    if status == "won":
        ledger.announce("charge.dispute.funds_reinstated", dispute, at_s)
    return dispute


def warn_of_fraud(ledger: Ledger, charge: JSONObject, at_s: int) -> JSONObject:
    """Have the card's issuer report the charge as fraud, which is no dispute yet.

    Raises:
        APIError: the charge was not paid: an issuer reports what it has settled.
    """
    if charge["status"] != "succeeded":
        raise APIError(f"Charge {charge['id']} cannot be reported as fraud.", param="charge")
    warning = ledger.build(
        "radar.early_fraud_warning",
        at_s,
        charge=charge["id"],
        fraud_type="made_with_stolen_card",
        actionable=charge["amount_refunded"] < charge["amount"] and not charge["disputed"],
    )
    warning["payment_intent"] = charge["payment_intent"]
    ledger.save(warning)
    ledger.announce("radar.early_fraud_warning.created", warning, at_s)
    return warning


def plan_aftermath(ledger: Ledger, charge: JSONObject, at_s: int) -> None:
    """Have happen what the test card brings about, once this payment is done."""
    details = charge["payment_method_details"]
    what = _BY_CARD.get((details.get("card") or {}).get("last4", ""))
    if what is not None and charge["status"] == "succeeded":
        plan = {"id": f"aftermath_of_{charge['id']}", "object": _AFTERMATH, "what": what}
        ledger.save(plan | {"charge": charge["id"], "due_at_s": at_s})


def run_aftermath(ledger: Ledger, plan: JSONObject, at_s: int) -> None:
    """Do what was planned, unless the charge has been disputed by other means."""
    ledger.store.delete(plan["id"])
    charge = ledger.get("charge", plan["charge"])
    if plan["what"] == "warning":
        warn_of_fraud(ledger, charge, at_s)
    elif not charge["disputed"]:
        inquiry = plan["what"] == "inquiry"
        open_dispute(ledger, charge, at_s, reason="fraudulent", amount=None, inquiry=inquiry)
