"""Refunds: money back for a charge, at once, or pending and settled later.

How a refund goes is told by the card that was charged (Stripe's test cards 4000 0000 0000 7726,
pending and then paid back, and 4000 0000 0000 5126, paid back and then failed), or by the
refund's metadata: `sandbox_outcome` is `succeeded`, `pending`, `failed_later` or `pending_failed`,
and `sandbox_after_s` is after how many seconds the end comes (a day, if it is not given).
"""

from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject

_DAY_S = 86_400
_PLAN = "sandbox.refund_plan"

# By outcome: the status at first, and the one that comes later.
_COURSES: dict[str, tuple[str, str | None]] = {
    "succeeded": ("succeeded", None),
    "pending": ("pending", "succeeded"),
    "failed_later": ("succeeded", "failed"),
    "pending_failed": ("pending", "failed"),
}
_BY_CARD = {"7726": "pending", "5126": "failed_later"}


def create_refund(ledger: Ledger, params: JSONObject, at_s: int) -> JSONObject:
    """Refund a charge, in full or by `amount`.

    Raises:
        APIError: there is no such charge, nothing was paid, or less is left than is asked for.
    """
    charge = find_charge(ledger, params)
    amount = _check_amount(charge, params.get("amount"))
    metadata = params.get("metadata", {})
    first, later = _course(charge, metadata)
    refund = ledger.build(
        "refund",
        at_s,
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        metadata=metadata,
        reason=params.get("reason"),
        status=first,
    )
    ledger.save(refund)
    if later is not None:
        after_s = metadata.get("sandbox_after_s", "")
        due_at_s = at_s + (int(after_s) if after_s.isdecimal() else _DAY_S)
        plan = {"id": f"plan_of_{refund['id']}", "object": _PLAN, "refund": refund["id"]}
        ledger.save(plan | {"status": later, "due_at_s": due_at_s})
    ledger.announce("refund.created", refund, at_s)
    previous = _change_refunded(ledger, charge, amount)
    ledger.announce("charge.refunded", charge, at_s, previous)
    return refund


def settle_refund(ledger: Ledger, plan: JSONObject, at_s: int) -> None:
    """Let the refund come to its end; money that did not arrive is the charge's again."""
    ledger.store.delete(plan["id"])
    refund = ledger.get("refund", plan["refund"])
    previous = ledger.change(refund, status=plan["status"])
    if plan["status"] == "failed":
        refund |= {"failure_reason": "expired_or_canceled_card"}
        charge = ledger.get("charge", refund["charge"])
        returned = _change_refunded(ledger, charge, -refund["amount"])
        ledger.announce("charge.updated", charge, at_s, returned)
    ledger.save(refund)
    ledger.announce("refund.updated", refund, at_s, previous)
    if plan["status"] == "failed":
        ledger.announce("refund.failed", refund, at_s)


def refunds_list(ledger: Ledger, charge_id: str) -> JSONObject:
    """Return the charge's `refunds` as they stand when expanded."""
    return {
        "object": "list",
        "url": f"/v1/charges/{charge_id}/refunds",
        "has_more": False,
        "data": list(ledger.store.newest("refund", where={"charge": charge_id})),
    }


def find_charge(ledger: Ledger, params: JSONObject) -> JSONObject:
    """Return the charge that `charge`, or the latest one of `payment_intent`, names.

    Raises:
        APIError: neither is given, or it is not there.
    """
    if "charge" in params:
        return ledger.get_named("charge", params["charge"], param="charge")
    if "payment_intent" not in params:
        message = "One of the following params should be provided: payment_intent or charge."
        raise APIError(message, code="parameter_missing", param="charge")
    name = "payment_intent"
    intent = ledger.get_named(name, params[name], param=name)
    if intent["latest_charge"] is None:
        message = (
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        )
        raise APIError(message, param=name)
    return ledger.get("charge", intent["latest_charge"])


def _check_amount(charge: JSONObject, wanted: int | None) -> int:
    left = charge["amount"] - charge["amount_refunded"]
    if charge["status"] != "succeeded":
        raise APIError(f"Charge {charge['id']} was not successful.", param="charge")
    if left <= 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise APIError(message, code="charge_already_refunded")
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise APIError(message, code="charge_disputed")
    amount = left if wanted is None else wanted
    if not 0 < amount <= left:
        message = f"Refund amount ({amount}) is not within the unrefunded amount ({left})."
        raise APIError(message, param="amount")
    return int(amount)


def _course(charge: JSONObject, metadata: dict[str, str]) -> tuple[str, str | None]:
    details = charge["payment_method_details"]
    usual = _BY_CARD.get((details.get("card") or {}).get("last4", ""), "succeeded")
    wanted = metadata.get("sandbox_outcome", usual)
    if wanted not in _COURSES:
        name = "metadata[sandbox_outcome]"
        raise APIError(f"Invalid {name}: must be one of {', '.join(_COURSES)}", param=name)
    return _COURSES[wanted]


def _change_refunded(ledger: Ledger, charge: JSONObject, by: int) -> JSONObject:
    refunded = charge["amount_refunded"] + by
    is_whole = refunded == charge["amount"]
    previous = ledger.change(charge, amount_refunded=refunded, refunded=is_whole)
    ledger.save(charge)
    return previous
