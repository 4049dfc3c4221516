"""Products and prices that the API makes; those of the catalog file are `catalog`'s."""

from demo.sandbox.customers import merge_metadata
from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject, new_id


def create_product(ledger: Ledger, params: JSONObject, at_s: int) -> JSONObject:
    """Create a product, under an id of the caller's if one is given.

    Raises:
        APIError: the name is missing, or the id is taken.
    """
    if not params.get("name"):
        raise APIError("Missing required param: name.", code="parameter_missing", param="name")
    product_id = params.get("id") or new_id("product")
    if ledger.store.find("product", product_id) is not None:
        raise APIError("Product already exists.", code="resource_already_exists", param="id")
    product = ledger.build("product", at_s, **(params | {"id": product_id, "updated": at_s}))
    ledger.save(product)
    ledger.announce("product.created", product, at_s)
    return product


def update_product(
    ledger: Ledger, product: JSONObject, params: JSONObject, at_s: int
) -> JSONObject:
    """Set what is given."""
    return _update(ledger, product, params | {"updated": at_s}, at_s)


def create_price(ledger: Ledger, params: JSONObject, at_s: int) -> JSONObject:
    """Create a price of an existing product; without `recurring` it is paid once.

    Raises:
        APIError: something is missing, or the lookup key is taken.
    """
    for name in ("currency", "product", "unit_amount"):
        if name not in params:
            raise APIError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    ledger.get_named("product", params["product"], param="product")
    if params["unit_amount"] < 0:
        raise APIError("Invalid non-negative integer", param="unit_amount")
    rhythm = params.pop("recurring", None)
    _claim_lookup_key(ledger, params, at_s)
    price = ledger.build("price", at_s, **params, unit_amount_decimal=str(params["unit_amount"]))
    if rhythm is None:
        price |= {"type": "one_time", "recurring": None}
    else:
        price["recurring"] |= rhythm
    ledger.save(price)
    ledger.announce("price.created", price, at_s)
    return price


def update_price(ledger: Ledger, price: JSONObject, params: JSONObject, at_s: int) -> JSONObject:
    """Set what is given; what a price costs cannot be changed."""
    _claim_lookup_key(ledger, params, at_s, holder=price["id"])
    return _update(ledger, price, params, at_s)


def _update(ledger: Ledger, body: JSONObject, fields: JSONObject, at_s: int) -> JSONObject:
    if "metadata" in fields:
        fields["metadata"] = merge_metadata(body["metadata"], fields["metadata"])
    ledger.update(f"{body['object']}.updated", body, at_s, **fields)
    return body


def _claim_lookup_key(
    ledger: Ledger, params: JSONObject, at_s: int, *, holder: str | None = None
) -> None:
    """Take the lookup key from the price that has it, if `transfer_lookup_key` says so."""
    transfers, key = params.pop("transfer_lookup_key", False), params.get("lookup_key")
    if key is None:
        return
    for other in list(ledger.store.newest("price", where={"lookup_key": key})):
        if other["id"] == holder:
            continue
        if not transfers:
            message = f"A price (`{other['id']}`) already uses that lookup key."
            raise APIError(message, param="lookup_key")
        ledger.update("price.updated", other, at_s, lookup_key=None)
