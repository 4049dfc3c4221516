"""Customers: made by the API, or by a checkout whose session names none."""

import secrets

from demo.sandbox.errors import missing
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject


def create_customer(ledger: Ledger, fields: JSONObject, at_s: int) -> JSONObject:
    """Create a customer with `fields`, which are names of the customer object."""
    prefix = secrets.token_hex(4).upper()
    customer = ledger.build("customer", at_s, invoice_prefix=prefix, **fields)
    ledger.save(customer)
    ledger.announce("customer.created", customer, at_s)
    return customer


def update_customer(
    ledger: Ledger, customer: JSONObject, fields: JSONObject, at_s: int
) -> JSONObject:
    """Set `fields` on the customer; announced only if something changed."""
    if "metadata" in fields:
        fields["metadata"] = merge_metadata(customer["metadata"], fields["metadata"])
    if "invoice_settings" in fields:
        fields["invoice_settings"] = customer["invoice_settings"] | fields["invoice_settings"]
    ledger.update("customer.updated", customer, at_s, **fields)
    return customer


def delete_customer(ledger: Ledger, customer: JSONObject, at_s: int) -> JSONObject:
    """Forget all but that the customer was there; their subscriptions have to be ended before."""
    for method in list(ledger.store.oldest("payment_method", owner=customer["id"])):
        ledger.save(method | {"customer": None})
    ledger.announce("customer.deleted", customer, at_s)
    gone = {"id": customer["id"], "object": "customer", "deleted": True}
    ledger.save(gone)
    return gone


def get_living(ledger: Ledger, customer_id: str) -> JSONObject:
    """Return the customer that the parameter `customer` names.

    Raises:
        APIError: there is none, or not any more.
    """
    customer = ledger.get_named("customer", customer_id, param="customer")
    if "deleted" in customer:
        raise missing("customer", customer_id, param="customer", status=400)
    return customer


def merge_metadata(old: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """Return `old` with `given` over it; a key given as the empty text is removed.

    An empty `given` removes all, which is how Stripe's encoding says `metadata=""`.
    """
    if not given:
        return {}
    return {key: value for key, value in (old | given).items() if value != ""}
