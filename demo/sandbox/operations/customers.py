"""Customers and their payment methods."""

from demo.sandbox.collection import check_owner
from demo.sandbox.customers import create_customer, delete_customer, update_customer
from demo.sandbox.errors import APIError, missing
from demo.sandbox.listing import PAGE
from demo.sandbox.operations.call import Call, Operation, list_of, retrieve, whole_list
from demo.sandbox.params import (
    Spec,
    choice,
    clearable,
    group,
    integer,
    metadata,
    short_text,
    text,
)
from demo.sandbox.payment_methods import attach_method, create_method, detach_method
from demo.sandbox.schedule import ENDED
from demo.sandbox.sessions import expire_session
from demo.sandbox.shapes import JSONObject
from demo.sandbox.subscriptions import cancel_subscription

_CUSTOMER: Spec = {
    "email": clearable(short_text),
    "name": clearable(short_text),
    "description": clearable(text),
    "metadata": metadata,
    "invoice_settings": group({"default_payment_method": clearable(text)}),
}
_CARD: Spec = {
    "token": text,
    "number": text,
    "exp_month": integer,
    "exp_year": integer,
    "cvc": text,
}


def _create(call: Call) -> JSONObject:
    fields = call.fields
    method_id, settings = fields.pop("payment_method", None), fields.pop("invoice_settings", {})
    customer = create_customer(call.ledger, fields, call.at_s)
    if method_id is not None:
        attached = attach_method(call.ledger, method_id, customer["id"], call.at_s)
        if settings.get("default_payment_method") == method_id:
            # A test token such as `pm_card_visa` becomes a method with an id of its own.
            settings = {"default_payment_method": attached["id"]}
    return _set_default(call, customer, settings)


def _update(call: Call) -> JSONObject:
    fields = call.fields
    customer = _living(call)
    settings = fields.pop("invoice_settings", {})
    return _set_default(call, update_customer(call.ledger, customer, fields, call.at_s), settings)


def _set_default(call: Call, customer: JSONObject, settings: JSONObject) -> JSONObject:
    if not settings:
        return customer
    chosen = settings.get("default_payment_method")
    if chosen is not None:
        name = "invoice_settings[default_payment_method]"
        method = call.ledger.get_named("payment_method", chosen, param=name)
        check_owner(method, customer["id"])
    return update_customer(call.ledger, customer, {"invoice_settings": settings}, call.at_s)


def _delete(call: Call) -> JSONObject:
    """Delete the customer; their subscriptions end at once (Stripe, "Delete a customer")."""
    customer = _living(call)
    for session in list(call.ledger.store.oldest("checkout.session", owner=customer["id"])):
        if session["status"] == "open":
            expire_session(call.ledger, session, call.at_s)
    for subscription in list(call.ledger.store.oldest("subscription", owner=customer["id"])):
        if subscription["status"] not in ENDED:
            cancel_subscription(call.ledger, subscription, call.at_s)
    customer = call.ledger.get("customer", customer["id"])
    return delete_customer(call.ledger, customer, call.at_s)


def _living(call: Call) -> JSONObject:
    customer = call.subject("customer")
    if "deleted" in customer:
        raise missing("customer", customer["id"])
    return customer


def _create_method(call: Call) -> JSONObject:
    if call.params.get("type") != "card":
        raise APIError("Missing required param: type.", code="parameter_missing", param="type")
    return create_method(call.ledger, call.params, call.at_s)


def _attach(call: Call) -> JSONObject:
    if "customer" not in call.params:
        name = "customer"
        raise APIError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return attach_method(call.ledger, call.object_id, call.params["customer"], call.at_s)


def _detach(call: Call) -> JSONObject:
    return detach_method(call.ledger, call.subject("payment_method"), call.at_s)


def _methods_of(call: Call) -> JSONObject:
    _living(call)
    found = call.ledger.store.newest("payment_method", owner=call.object_id)
    return whole_list(call, list(found))


CUSTOMERS = (
    Operation("POST", "/v1/customers", _create, {**_CUSTOMER, "payment_method": text}),
    Operation("GET", "/v1/customers", list_of("customer"), {**PAGE, "email": short_text}),
    Operation("GET", "/v1/customers/{id}", retrieve("customer")),
    Operation("POST", "/v1/customers/{id}", _update, _CUSTOMER),
    Operation("DELETE", "/v1/customers/{id}", _delete),
    Operation("GET", "/v1/customers/{id}/payment_methods", _methods_of, {**PAGE, "type": text}),
    Operation(
        "POST",
        "/v1/payment_methods",
        _create_method,
        {"type": choice("card"), "card": group(_CARD)},
    ),
    Operation(
        "GET",
        "/v1/payment_methods",
        list_of("payment_method"),
        {**PAGE, "customer": text, "type": text},
    ),
    Operation("GET", "/v1/payment_methods/{id}", retrieve("payment_method")),
    Operation("POST", "/v1/payment_methods/{id}/attach", _attach, {"customer": text}),
    Operation("POST", "/v1/payment_methods/{id}/detach", _detach),
)
