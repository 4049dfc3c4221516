"""The published example objects that every answer starts from, so that no field is missing."""

import json
import secrets
from pathlib import Path
from typing import Any, TypeAlias

# Any: a Stripe object as JSON; the SDK on the other side gives it types.
JSONObject: TypeAlias = dict[str, Any]

# The API version whose shapes `shapes.json` holds and which stripe-python 16.1 pins. Events
# say it, as those of a webhook endpoint made with this version do.
API_VERSION = "2026-10-28.endive"

# How Stripe's ids start, by the object they name.
PREFIXES = {
    "billing_portal.session": "bps",
    "charge": "ch",
    "checkout.session": "cs_test",
    "customer": "cus",
    "dispute": "dp",
    "event": "evt",
    "invoice": "in",
    "invoice_payment": "inpay",
    "item": "li",
    "line_item": "il",
    "payment_intent": "pi",
    "payment_method": "pm",
    "price": "price",
    "product": "prod",
    "radar.early_fraud_warning": "issfr",
    "refund": "re",
    "subscription": "sub",
    "subscription_item": "si",
    "v2.core.event": "evt_test",
    "webhook_endpoint": "we",
}

# Twenty-four characters, as many as Stripe's own ids have.
_ID_BYTES = 12


class Shapes:
    """The example objects by kind; construct with `Shapes.load()`."""

    def __init__(self, examples: dict[str, JSONObject]) -> None:
        # As text: reading it anew is several times as fast as copying the objects.
        self._examples = {kind: json.dumps(example) for kind, example in examples.items()}

    @classmethod
    def load(cls) -> "Shapes":
        """Read the examples that stand beside this file."""
        path = Path(__file__).with_name("shapes.json")
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def kinds(self) -> set[str]:
        """Return the names of all kinds."""
        return set(self._examples)

    def build(self, kind: str, **fields: Any) -> JSONObject:  # Any: JSON values
        """Return a fresh object of `kind` with `fields` set, and a new id unless one is given.

        Raises:
            KeyError: `kind` has no such field, which is a mistake of the caller's.
        """
        built: JSONObject = json.loads(self._examples[kind])
        unknown = fields.keys() - built.keys()
        if unknown:
            raise KeyError(f"{kind} has no {', '.join(sorted(unknown))}")
        return built | {"id": new_id(kind)} | fields


def new_id(kind: str) -> str:
    """Return a new id for an object of `kind`."""
    return f"{PREFIXES[kind]}_{secrets.token_hex(_ID_BYTES)}"


def kind_of(object_id: str) -> str | None:
    """Return the kind that the id's prefix names, or None for a prefix that is none of ours."""
    found = (kind for kind, prefix in PREFIXES.items() if object_id.startswith(f"{prefix}_"))
    return next(found, None)
