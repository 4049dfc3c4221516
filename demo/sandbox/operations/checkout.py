"""Checkout sessions."""

from demo.sandbox.listing import PAGE, SESSION_STATUS
from demo.sandbox.operations.call import Call, Operation, list_of, retrieve, whole_list
from demo.sandbox.operations.subscription_spec import TRIAL
from demo.sandbox.params import (
    Spec,
    boolean,
    choice,
    choices,
    group,
    groups,
    integer,
    metadata,
    short_text,
    text,
)
from demo.sandbox.sessions import create_session, expire_session, line_items
from demo.sandbox.shapes import JSONObject

_SESSION: Spec = {
    "mode": choice("payment", "subscription"),
    "line_items": groups({"price": text, "quantity": integer}),
    "success_url": text,
    "cancel_url": text,
    "customer": text,
    "customer_email": short_text,
    "customer_creation": choice("always", "if_required"),
    "client_reference_id": short_text,
    "metadata": metadata,
    "subscription_data": group({"metadata": metadata, **TRIAL}),
    "payment_intent_data": group({"metadata": metadata}),
    "payment_method_types": choices("card", "sepa_debit"),
    "allow_promotion_codes": boolean,
    "payment_method_collection": choice("always", "if_required"),
    "expires_at": integer,
    "locale": text,
}


def _create(call: Call) -> JSONObject:
    return create_session(call.ledger, call.params, public_url=call.public_url, at_s=call.at_s)


def _expire(call: Call) -> JSONObject:
    return expire_session(call.ledger, call.subject("checkout.session"), call.at_s)


def _lines(call: Call) -> JSONObject:
    session = call.subject("checkout.session")
    return whole_list(call, line_items(call.ledger, session["id"]))


CHECKOUT = (
    Operation("POST", "/v1/checkout/sessions", _create, _SESSION),
    Operation(
        "GET",
        "/v1/checkout/sessions",
        list_of("checkout.session"),
        {
            **PAGE,
            "customer": text,
            "payment_intent": text,
            "status": SESSION_STATUS,
            "subscription": text,
        },
    ),
    Operation("GET", "/v1/checkout/sessions/{id}", retrieve("checkout.session")),
    Operation("POST", "/v1/checkout/sessions/{id}/expire", _expire),
    Operation("GET", "/v1/checkout/sessions/{id}/line_items", _lines, PAGE),
)
