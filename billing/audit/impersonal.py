"""Keeps personal data out of the audit: no row of it can ever be erased for who asks for that."""

import re
from collections.abc import Mapping
from typing import Final

_MASK: Final = "…"
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+")
# As the tables and the provider name them.
_PERSONAL: Final = frozenset(
    {
        *("address", "billing_details", "card", "customer_address", "customer_details"),
        *("customer_email", "customer_name", "customer_phone", "email", "external_id"),
        *("ip", "payment_method_details", "phone", "receipt_email", "shipping"),
    }
)


def impersonal(facts: Mapping[str, object] | None) -> dict[str, object] | None:
    """Return the facts with `…` for what is about a person, at any depth."""
    if facts is None:
        return None
    return {
        key: _MASK if key in _PERSONAL and value is not None else _masked(value)
        for key, value in facts.items()
    }


def _masked(value: object) -> object:
    if isinstance(value, str):
        return _EMAIL.sub(_MASK, value)
    if isinstance(value, Mapping):
        return impersonal(value)
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value
