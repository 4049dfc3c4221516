"""Who the payer is, taken out of an event's body before a person looks at it."""

from typing import Any

_MASK = "…"
_PERSONAL = frozenset(
    {
        "address",
        "billing_details",
        "card",
        "custom_fields",
        "customer_address",
        "customer_details",
        "customer_email",
        "customer_name",
        "customer_phone",
        "customer_shipping",
        "customer_tax_ids",
        "description",
        "email",
        "ip",
        "ip_address",
        "name",
        "phone",
        "receipt_email",
        "receipt_number",
        "shipping",
        "shipping_details",
        "tax_ids",
    }
)


def masked(value: Any) -> Any:  # Any: JSON
    """Return the JSON with every value that tells of a person replaced by `…`.

    Whole sections go where a field may be personal, and any text that looks like an address.
    """
    if isinstance(value, dict):
        return {
            key: _MASK if key in _PERSONAL and inner is not None else masked(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if isinstance(value, str) and "@" in value:
        return _MASK
    return value
