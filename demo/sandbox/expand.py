"""`expand[]`: ids replaced by the objects that they name."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from demo.sandbox.errors import APIError
from demo.sandbox.invoices import payments_list
from demo.sandbox.ledger import Ledger
from demo.sandbox.refunds import refunds_list
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
    build = _LISTS.get((node.get("object"), name)) if isinstance(node, dict) else None
    if build is not None:
        node[name] = build(ledger, node["id"])
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


# Lists that stand in an object only when they are asked for.
_LISTS: Mapping[tuple[str | None, str], Callable[[Ledger, str], JSONObject]] = {
    ("checkout.session", "line_items"): _lines_of,
    ("invoice", "payments"): payments_list,
    ("charge", "refunds"): refunds_list,
}
