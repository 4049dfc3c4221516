"""Payment intents, charges, refunds, disputes and early fraud warnings."""

from demo.sandbox.disputes import close_dispute
from demo.sandbox.listing import PAGE
from demo.sandbox.operations.call import Call, Operation, list_of, retrieve
from demo.sandbox.params import Spec, choice, group, integer, metadata, text
from demo.sandbox.refunds import create_refund
from demo.sandbox.shapes import JSONObject

_BY_CHARGE: Spec = {**PAGE, "charge": text, "payment_intent": text}
_REFUND: Spec = {
    "amount": integer,
    "charge": text,
    "metadata": metadata,
    "payment_intent": text,
    "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
}

# What Stripe's test mode takes as evidence that decides at once ("Test disputes").
_DECISIVE = {"winning_evidence": True, "losing_evidence": False}


def _refund(call: Call) -> JSONObject:
    return create_refund(call.ledger, call.fields, call.at_s)


def _update_dispute(call: Call) -> JSONObject:
    """Submit evidence, of which only the two decisive texts of the test mode do anything."""
    dispute = call.subject("dispute")
    evidence = call.params.get("evidence", {}).get("uncategorized_text", "")
    if evidence in _DECISIVE:
        is_won = _DECISIVE[evidence]
        return close_dispute(call.ledger, dispute, call.at_s, is_won=is_won)
    return dispute


def _accept_dispute(call: Call) -> JSONObject:
    return close_dispute(call.ledger, call.subject("dispute"), call.at_s, is_won=False)


PAYMENTS = (
    Operation("GET", "/v1/payment_intents", list_of("payment_intent"), {**PAGE, "customer": text}),
    Operation("GET", "/v1/payment_intents/{id}", retrieve("payment_intent")),
    Operation(
        "GET",
        "/v1/charges",
        list_of("charge"),
        {**PAGE, "customer": text, "payment_intent": text},
    ),
    Operation("GET", "/v1/charges/{id}", retrieve("charge")),
    Operation("POST", "/v1/refunds", _refund, _REFUND),
    Operation("GET", "/v1/refunds", list_of("refund"), _BY_CHARGE),
    Operation("GET", "/v1/refunds/{id}", retrieve("refund")),
    Operation("GET", "/v1/disputes", list_of("dispute"), _BY_CHARGE),
    Operation("GET", "/v1/disputes/{id}", retrieve("dispute")),
    Operation(
        "POST",
        "/v1/disputes/{id}",
        _update_dispute,
        {"evidence": group({"uncategorized_text": text})},
    ),
    Operation("POST", "/v1/disputes/{id}/close", _accept_dispute),
    Operation(
        "GET",
        "/v1/radar/early_fraud_warnings",
        list_of("radar.early_fraud_warning"),
        _BY_CHARGE,
    ),
    Operation(
        "GET",
        "/v1/radar/early_fraud_warnings/{id}",
        retrieve("radar.early_fraud_warning"),
    ),
)
