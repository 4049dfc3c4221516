"""Events in the shape of an endpoint's API version: today's, or the one before Basil.

Pure. The old shape is what endpoints got that were made before 2025-03-31.basil, in which
periods moved from the subscription to its items, and the links between invoice, subscription,
payment intent and charge moved elsewhere (Stripe, "Basil changelog").
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from demo.sandbox.shapes import API_VERSION, JSONObject

OLD_VERSION = "2024-06-20"
"""A version of the old shape, for the knob that makes every delivery old."""

_BASIL = "2025-03-31"
_PERIOD = ("current_period_start", "current_period_end")


@dataclass(frozen=True, slots=True)
class Links:
    """What the old shape shows inside an object and today's keeps in others."""

    intent_of_invoice: Mapping[str, str] = field(default_factory=dict)
    invoice_of_intent: Mapping[str, str] = field(default_factory=dict)
    charge_of_intent: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, JSONObject] = field(default_factory=dict)


def is_old(version: str | None) -> bool:
    """Tell whether the version has the shape of before Basil."""
    return version is not None and version < _BASIL


def render_event(event: JSONObject, version: str | None, links: Links) -> JSONObject:
    """Return the event as an endpoint of `version` gets it; None is today's version."""
    if not is_old(version):
        return event | {"api_version": version or API_VERSION}
    rendered = copy.deepcopy(event) | {"api_version": version}
    data = rendered["data"]
    subject = data["object"]
    if data.get("previous_attributes") and subject["object"] == "subscription":
        data["previous_attributes"] |= _period_of(data["previous_attributes"])
    _age(data, links)
    return rendered


def _age(node: object, links: Links) -> None:
    """Make every object inside the node old, outer ones first: they read the inner ones."""
    if isinstance(node, list):
        for child in node:
            _age(child, links)
    if not isinstance(node, dict):
        return
    change = _CHANGES.get(str(node.get("object")))
    if change is not None:
        change(node, links)
    for child in node.values():
        _age(child, links)


def _period_of(body: JSONObject) -> JSONObject:
    """Return the period of the first item, under the names of before; nothing without items."""
    items = body.get("items", {}).get("data") or []
    return {name: items[0][name] for name in _PERIOD if items and name in items[0]}


def _age_subscription(body: JSONObject, _links: Links) -> None:
    body |= {**dict.fromkeys(_PERIOD), **_period_of(body), "discount": None}
    body.pop("billing_mode", None)


def _age_item(body: JSONObject, _links: Links) -> None:
    for name in _PERIOD:
        body.pop(name, None)


def _age_invoice(body: JSONObject, links: Links) -> None:
    parent = body.pop("parent", None) or {}
    details = parent.get("subscription_details") or {}
    body.pop("payments", None)
    body.pop("confirmation_secret", None)
    intent = links.intent_of_invoice.get(body.get("id", ""))
    body |= {
        "subscription": details.get("subscription"),
        "subscription_details": {"metadata": details.get("metadata")},
        "payment_intent": intent,
        "charge": links.charge_of_intent.get(intent or ""),
        "paid": body.get("status") == "paid",
        "paid_out_of_band": False,
        "quote": None,
        "tax": None,
        "discount": None,
    }


def _age_line(body: JSONObject, links: Links) -> None:
    parent = body.pop("parent", None) or {}
    of_item = parent.get("subscription_item_details")
    details = of_item or parent.get("invoice_item_details") or {}
    pricing = body.pop("pricing", None) or {}
    price_id = (pricing.get("price_details") or {}).get("price")
    body |= {
        "type": "subscription" if of_item else "invoiceitem",
        "invoice_item": details.get("invoice_item"),
        "subscription": details.get("subscription"),
        "subscription_item": details.get("subscription_item"),
        "proration": details.get("proration", False),
        "price": links.prices.get(price_id or ""),
    }


def _age_payment(body: JSONObject, links: Links) -> None:
    is_charge = body["object"] == "charge"
    intent = body.get("payment_intent") if is_charge else body["id"]
    body["invoice"] = links.invoice_of_intent.get(intent or "")


def _age_session(body: JSONObject, _links: Links) -> None:
    body["ui_mode"] = str(body["ui_mode"]).removesuffix("_page")


_CHANGES: dict[str, Callable[[JSONObject, Links], None]] = {
    "subscription": _age_subscription,
    "subscription_item": _age_item,
    "invoice": _age_invoice,
    "line_item": _age_line,
    "payment_intent": _age_payment,
    "charge": _age_payment,
    "checkout.session": _age_session,
}
