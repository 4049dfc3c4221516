"""`expand[]`: ids replaced by the objects that they name."""

import copy
from typing import Any

from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.sessions import line_items
from demo.sandbox.shapes import JSONObject, kind_of

# Stripe's own bound ("Expanding Responses").
_DEPTH_LIMIT = 4


def expand(ledger: Ledger, body: JSONObject, paths: list[str]) -> JSONObject:
    """Return a copy of the answer with every path of `paths` expanded.

    Raises:
        APIError: a path is too deep, or leads to something that is no reference.
    """
    answer = copy.deepcopy(body)
    for path in paths:
        parts = path.split(".")
        if len(parts) > _DEPTH_LIMIT:
            raise APIError("You cannot expand more than 4 levels of a property.", param="expand")
        _walk(ledger, answer, parts, path)
    return answer


def _walk(ledger: Ledger, node: Any, parts: list[str], path: str) -> None:  # any JSON value
    if isinstance(node, list):
        for item in node:
            _walk(ledger, item, parts, path)
        return
    if not parts or node is None:
        return
    name = parts[0]
    is_session = isinstance(node, dict) and node.get("object") == "checkout.session"
    if is_session and name == "line_items":
        node["line_items"] = _lines_of(ledger, node["id"])
    if isinstance(node, dict) and node.get("object") == "invoice" and name == "payments":
        node["payments"] = _payments_of(ledger, node["id"])
    if not isinstance(node, dict) or name not in node:
        raise APIError(f"This property cannot be expanded ({path}).", param="expand")
    value = node[name]
    kind = kind_of(value) if isinstance(value, str) else None
    if kind is not None:
        node[name] = ledger.get(kind, value)
    elif isinstance(value, str):
        raise APIError(f"This property cannot be expanded ({path}).", param="expand")
    _walk(ledger, node[name], parts[1:], path)


def _lines_of(ledger: Ledger, session_id: str) -> JSONObject:
    return {
        "object": "list",
        "url": f"/v1/checkout/sessions/{session_id}/line_items",
        "has_more": False,
        "data": line_items(ledger, session_id),
    }


def _payments_of(ledger: Ledger, invoice_id: str) -> JSONObject:
    return {
        "object": "list",
        "url": f"/v1/invoice_payments?invoice={invoice_id}",
        "has_more": False,
        "data": list(ledger.store.oldest("invoice_payment", owner=invoice_id)),
    }
