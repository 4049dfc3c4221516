"""The table of API operations: method, path, parameters, and what each does."""

from collections.abc import Callable
from dataclasses import dataclass, field

from demo.sandbox.customers import create_customer, update_customer
from demo.sandbox.ledger import Ledger
from demo.sandbox.listing import PAGE, STATUS, list_objects
from demo.sandbox.params import (
    Spec,
    boolean,
    choice,
    group,
    groups,
    integer,
    metadata,
    short_text,
    strings,
    text,
)
from demo.sandbox.sessions import create_session, expire_session, line_items
from demo.sandbox.shapes import JSONObject
from demo.sandbox.subscriptions import cancel_subscription, update_subscription


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API, its parameters checked; `object_id` is the id in its path."""

    ledger: Ledger
    params: JSONObject
    object_id: str
    public_url: str
    path: str

    @property
    def at_s(self) -> int:
        """Return the sandbox's time."""
        return self.ledger.clock.now_s()


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table; `{id}` in the path is the id of the object."""

    method: str
    path: str
    run: Callable[[Call], JSONObject]
    spec: Spec = field(default_factory=dict)


def _retrieve(kind: str) -> Callable[[Call], JSONObject]:
    return lambda call: call.ledger.get(kind, call.object_id)


def _list(kind: str) -> Callable[[Call], JSONObject]:
    return lambda call: list_objects(call.ledger, kind, call.path, call.params)


def _create_customer(call: Call) -> JSONObject:
    return create_customer(call.ledger, _without_expand(call.params), call.at_s)


def _update_customer(call: Call) -> JSONObject:
    customer = call.ledger.get("customer", call.object_id)
    return update_customer(call.ledger, customer, _without_expand(call.params), call.at_s)


def _create_session(call: Call) -> JSONObject:
    return create_session(call.ledger, call.params, public_url=call.public_url, at_s=call.at_s)


def _expire_session(call: Call) -> JSONObject:
    session = call.ledger.get("checkout.session", call.object_id)
    return expire_session(call.ledger, session, call.at_s)


def _session_lines(call: Call) -> JSONObject:
    session = call.ledger.get("checkout.session", call.object_id)
    data = line_items(call.ledger, session["id"])
    return {"object": "list", "url": call.path, "has_more": False, "data": data}


def _update_subscription(call: Call) -> JSONObject:
    subscription = call.ledger.get("subscription", call.object_id)
    return update_subscription(call.ledger, subscription, call.params, call.at_s)


def _cancel_subscription(call: Call) -> JSONObject:
    subscription = call.ledger.get("subscription", call.object_id)
    return cancel_subscription(call.ledger, subscription, call.at_s)


def _without_expand(params: JSONObject) -> JSONObject:
    return {name: value for name, value in params.items() if name != "expand"}


_CUSTOMER: Spec = {
    "email": short_text,
    "name": short_text,
    "description": text,
    "metadata": metadata,
}
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
    "subscription_data": group({"metadata": metadata}),
    "payment_intent_data": group({"metadata": metadata}),
    "expires_at": integer,
    "locale": text,
}

OPERATIONS = (
    Operation("POST", "/v1/customers", _create_customer, _CUSTOMER),
    Operation("GET", "/v1/customers", _list("customer"), {**PAGE, "email": short_text}),
    Operation("GET", "/v1/customers/{id}", _retrieve("customer")),
    Operation("POST", "/v1/customers/{id}", _update_customer, _CUSTOMER),
    Operation("GET", "/v1/products", _list("product"), {**PAGE, "active": boolean}),
    Operation("GET", "/v1/products/{id}", _retrieve("product")),
    Operation("GET", "/v1/prices", _list("price"), {**PAGE, "active": boolean, "product": text}),
    Operation("GET", "/v1/prices/{id}", _retrieve("price")),
    Operation("POST", "/v1/checkout/sessions", _create_session, _SESSION),
    Operation(
        "GET",
        "/v1/checkout/sessions",
        _list("checkout.session"),
        {**PAGE, "customer": text, "subscription": text, "status": STATUS},
    ),
    Operation("GET", "/v1/checkout/sessions/{id}", _retrieve("checkout.session")),
    Operation("POST", "/v1/checkout/sessions/{id}/expire", _expire_session),
    Operation("GET", "/v1/checkout/sessions/{id}/line_items", _session_lines, PAGE),
    Operation(
        "GET",
        "/v1/subscriptions",
        _list("subscription"),
        {**PAGE, "customer": text, "status": STATUS},
    ),
    Operation("GET", "/v1/subscriptions/{id}", _retrieve("subscription")),
    Operation(
        "POST",
        "/v1/subscriptions/{id}",
        _update_subscription,
        {"cancel_at_period_end": boolean, "metadata": metadata},
    ),
    Operation("DELETE", "/v1/subscriptions/{id}", _cancel_subscription),
    Operation(
        "GET", "/v1/invoices", _list("invoice"), {**PAGE, "customer": text, "status": STATUS}
    ),
    Operation("GET", "/v1/invoices/{id}", _retrieve("invoice")),
    Operation("GET", "/v1/payment_intents", _list("payment_intent"), {**PAGE, "customer": text}),
    Operation("GET", "/v1/payment_intents/{id}", _retrieve("payment_intent")),
    Operation("GET", "/v1/events", _list("event"), {**PAGE, "type": text, "types": strings}),
    Operation("GET", "/v1/events/{id}", _retrieve("event")),
)
EXPAND: Spec = {"expand": strings}
"""Every operation takes `expand`."""
