"""Products and prices."""

from demo.sandbox.listing import PAGE
from demo.sandbox.operations.call import Call, Operation, list_of, retrieve
from demo.sandbox.params import (
    Spec,
    boolean,
    choice,
    clearable,
    group,
    integer,
    metadata,
    strings,
    text,
)
from demo.sandbox.products import create_price, create_product, update_price, update_product
from demo.sandbox.shapes import JSONObject

_PRODUCT: Spec = {
    "name": text,
    "description": clearable(text),
    "active": boolean,
    "metadata": metadata,
}
_PRICE: Spec = {
    "active": boolean,
    "lookup_key": text,
    "metadata": metadata,
    "nickname": clearable(text),
    "transfer_lookup_key": boolean,
}
_NEW_PRICE: Spec = {
    **_PRICE,
    "currency": text,
    "product": text,
    "unit_amount": integer,
    "recurring": group(
        {"interval": choice("day", "week", "month", "year"), "interval_count": integer}
    ),
}


def _create_product(call: Call) -> JSONObject:
    return create_product(call.ledger, call.fields, call.at_s)


def _update_product(call: Call) -> JSONObject:
    return update_product(call.ledger, call.subject("product"), call.fields, call.at_s)


def _create_price(call: Call) -> JSONObject:
    return create_price(call.ledger, call.fields, call.at_s)


def _update_price(call: Call) -> JSONObject:
    return update_price(call.ledger, call.subject("price"), call.fields, call.at_s)


CATALOG = (
    Operation("POST", "/v1/products", _create_product, {**_PRODUCT, "id": text}),
    Operation("GET", "/v1/products", list_of("product"), {**PAGE, "active": boolean}),
    Operation("GET", "/v1/products/{id}", retrieve("product")),
    Operation("POST", "/v1/products/{id}", _update_product, _PRODUCT),
    Operation("POST", "/v1/prices", _create_price, _NEW_PRICE),
    Operation(
        "GET",
        "/v1/prices",
        list_of("price"),
        {
            **PAGE,
            "active": boolean,
            "currency": text,
            "lookup_keys": strings,
            "product": text,
            "type": choice("one_time", "recurring"),
        },
    ),
    Operation("GET", "/v1/prices/{id}", retrieve("price")),
    Operation("POST", "/v1/prices/{id}", _update_price, _PRICE),
)
