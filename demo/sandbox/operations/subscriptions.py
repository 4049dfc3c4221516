"""Subscriptions and their items."""

from demo.sandbox.collection import check_owner
from demo.sandbox.customers import get_living
from demo.sandbox.errors import APIError
from demo.sandbox.items import check_quantity, check_rhythms, find_price
from demo.sandbox.listing import PAGE, SUBSCRIPTION_STATUS
from demo.sandbox.operations.call import Call, Operation, list_of, retrieve, whole_list
from demo.sandbox.operations.subscription_spec import CANCEL, CREATE, PAUSE, RESUME, UPDATE
from demo.sandbox.params import text
from demo.sandbox.pauses import pause_subscription, resume_subscription
from demo.sandbox.shapes import JSONObject
from demo.sandbox.subscriptions import (
    FirstPayment,
    Terms,
    cancel_subscription,
    start_subscription,
)
from demo.sandbox.trials import trial_end_of
from demo.sandbox.updates import update_subscription

_FIRST_PAYMENT: dict[str, FirstPayment] = {
    "allow_incomplete": "allow_incomplete",
    "default_incomplete": "wait",
    "error_if_incomplete": "error_if_incomplete",
}


def _create(call: Call) -> JSONObject:
    params = call.fields
    customer = get_living(call.ledger, params.get("customer", ""))
    behavior = params.get("trial_settings", {}).get("end_behavior", {})
    terms = Terms(
        customer=customer["id"],
        payment_method=_method(call, customer["id"]),
        metadata=params.get("metadata", {}),
        trial_end_s=trial_end_of(params, call.at_s),
        missing_payment_method=behavior.get("missing_payment_method", "create_invoice"),
        cancel_at_period_end=params.get("cancel_at_period_end", False),
        first_payment=_FIRST_PAYMENT[params.get("payment_behavior", "allow_incomplete")],
        fields={"description": params.get("description")},
    )
    subscription, _ = start_subscription(call.ledger, _lines(call), terms, call.at_s)
    if params.get("cancel_at") is None:
        return subscription
    end = {"cancel_at": params["cancel_at"]}
    return update_subscription(call.ledger, subscription, end, call.at_s)


def _method(call: Call, customer: str) -> str | None:
    name = "default_payment_method"
    chosen = call.params.get(name)
    if chosen is None:
        return None
    check_owner(call.ledger.get_named("payment_method", chosen, param=name), customer)
    return str(chosen)


def _lines(call: Call) -> list[JSONObject]:
    given = call.params.get("items") or []
    if not given:
        name = "items"
        raise APIError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    lines = [
        {
            "price": find_price(call.ledger, entry.get("price", ""), f"items[{index}][price]"),
            "quantity": check_quantity(entry.get("quantity", 1), f"items[{index}][quantity]"),
            "metadata": entry.get("metadata", {}),
        }
        for index, entry in enumerate(given)
    ]
    check_rhythms([line["price"] for line in lines], "items")
    return lines


def _update(call: Call) -> JSONObject:
    subscription = call.subject("subscription")
    return update_subscription(call.ledger, subscription, call.fields, call.at_s)


def _cancel(call: Call) -> JSONObject:
    return cancel_subscription(
        call.ledger,
        call.subject("subscription"),
        call.at_s,
        details=call.params.get("cancellation_details"),
    )


def _pause(call: Call) -> JSONObject:
    pause_subscription(call.ledger, call.subject("subscription"), call.fields, call.at_s)
    return call.subject("subscription")


def _resume(call: Call) -> JSONObject:
    resume_subscription(call.ledger, call.subject("subscription"), call.fields, call.at_s)
    return call.subject("subscription")


def _items(call: Call) -> JSONObject:
    name = "subscription"
    subscription = call.ledger.get_named(name, call.params.get(name, ""), param=name)
    return whole_list(call, subscription["items"]["data"])


SUBSCRIPTIONS = (
    Operation("POST", "/v1/subscriptions", _create, CREATE),
    Operation(
        "GET",
        "/v1/subscriptions",
        list_of("subscription"),
        {**PAGE, "customer": text, "status": SUBSCRIPTION_STATUS},
    ),
    Operation("GET", "/v1/subscriptions/{id}", retrieve("subscription")),
    Operation("POST", "/v1/subscriptions/{id}", _update, UPDATE),
    Operation("DELETE", "/v1/subscriptions/{id}", _cancel, CANCEL),
    Operation("POST", "/v1/subscriptions/{id}/pause", _pause, PAUSE),
    Operation("POST", "/v1/subscriptions/{id}/resume", _resume, RESUME),
    Operation("GET", "/v1/subscription_items", _items, {**PAGE, "subscription": text}),
)
