"""Customers: made by the API, or by a checkout whose session names none."""

import secrets

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
    previous = ledger.change(customer, **fields)
    if previous:
        ledger.save(customer)
        ledger.announce("customer.updated", customer, at_s, previous)
    return customer


def next_invoice_number(ledger: Ledger, customer_id: str) -> str:
    """Return the customer's next invoice number and move their counter on."""
    customer = ledger.get("customer", customer_id)
    sequence = customer["next_invoice_sequence"]
    ledger.save(customer | {"next_invoice_sequence": sequence + 1})
    return f"{customer['invoice_prefix']}-{sequence:04d}"


def merge_metadata(old: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """Return `old` with `given` over it; a key given as the empty text is removed.

    An empty `given` removes all, which is how Stripe's encoding says `metadata=""`.
    """
    if not given:
        return {}
    return {key: value for key, value in (old | given).items() if value != ""}
