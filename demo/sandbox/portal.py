"""The customer portal: its sessions, what its page shows, and what its buttons do."""

import json
from collections.abc import Callable, Mapping
from itertools import islice

from demo.sandbox.cards import parse_card
from demo.sandbox.customers import get_living, update_customer
from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.links import page_url
from demo.sandbox.payment_methods import give_card
from demo.sandbox.schedule import ENDED
from demo.sandbox.shapes import JSONObject
from demo.sandbox.store import Store
from demo.sandbox.updates import update_subscription

# Of the sandbox's time ("Customer portal", sessions are short-lived).
_LIFETIME_S = 3600
_INVOICES_SHOWN = 20
_SUBSCRIPTIONS_SHOWN = 50

_SETTING = "portal_pauses"

Fields = Mapping[str, str]


def create_portal_session(
    ledger: Ledger, params: JSONObject, *, public_url: str, at_s: int
) -> JSONObject:
    """Open a portal session, whose `url` is the page below `public_url`.

    Raises:
        APIError: a parameter is missing, or names what is not there or another customer's.
    """
    customer = params.get("customer")
    if not customer:
        raise APIError(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    get_living(ledger, customer)
    session = ledger.build(
        "billing_portal.session",
        at_s,
        configuration="bpc_of_the_sandbox",
        customer=customer,
        flow=_flow(ledger, customer, params.get("flow_data")),
        locale=params.get("locale"),
        return_url=page_url(params["return_url"], "return_url") if "return_url" in params else None,
    )
    session["url"] = f"{public_url}/p/session/{session['id']}"
    ledger.save(session)
    return session


def find_portal_session(ledger: Ledger, session_id: str, at_s: int) -> JSONObject | None:
    """Return the session, or None if there is none, or its hour or its customer is over."""
    session = ledger.store.find("billing_portal.session", session_id)
    if session is None or at_s >= session["created"] + _LIFETIME_S:
        return None
    is_gone = "deleted" in ledger.get("customer", session["customer"])
    return None if is_gone else session


def describe_portal(ledger: Ledger, session: JSONObject) -> JSONObject:
    """Return what the page shows: the customer's subscriptions, invoices and choices."""
    customer = ledger.get("customer", session["customer"])
    chosen = subscription_of_flow(session["flow"])
    found = ledger.store.newest("subscription", owner=customer["id"])
    subscriptions = [s for s in found if chosen in {None, s["id"]}][:_SUBSCRIPTIONS_SHOWN]
    invoices = islice(ledger.store.newest("invoice", owner=customer["id"]), _INVOICES_SHOWN)
    names = {product["id"]: product["name"] for product in ledger.store.oldest("product")}
    prices = [
        (price, names[price["product"]])
        for price in ledger.store.oldest("price")
        if price["active"] and price["recurring"]
    ]
    return {
        "session": session,
        "customer": customer,
        "subscriptions": [(s, s["status"] not in ENDED) for s in subscriptions],
        "invoices": list(invoices),
        "names": names,
        "prices": prices,
        "pauses": may_pause(ledger.store),
    }


def act_in_portal(
    ledger: Ledger, session: JSONObject, action: str, fields: Fields, at_s: int
) -> None:
    """Do what a button of the page asks for.

    Raises:
        APIError: there is no such button, or it cannot be done; its message is for the page.
    """
    if action == "card":
        _replace_card(ledger, session, fields, at_s)
        return
    build = _ACTIONS.get(action)
    if build is None or (action in {"pause", "unpause"} and not may_pause(ledger.store)):
        raise APIError("There is no such button.", status=404)
    subscription = ledger.get("subscription", fields.get("subscription", ""))
    chosen = subscription_of_flow(session["flow"])
    # Somebody else's subscription is as good as none.
    if subscription["customer"] != session["customer"] or chosen not in {None, subscription["id"]}:
        raise APIError("There is no such subscription.", status=404)
    update_subscription(ledger, subscription, build(subscription, fields), at_s)


def set_pauses(store: Store, *, is_on: bool) -> None:
    """Say whether the portal lets customers pause."""
    store.save_setting(_SETTING, json.dumps(is_on))


def may_pause(store: Store) -> bool:
    """Tell whether the portal lets customers pause; it does not unless it is set up so."""
    return bool(json.loads(store.find_setting(_SETTING) or "false"))


def url_after(session: JSONObject) -> str:
    """Return where a customer is led who has pressed a button."""
    redirect = ((session["flow"] or {}).get("after_completion") or {}).get("redirect") or {}
    return str(redirect.get("return_url") or f"/p/session/{session['id']}")


def subscription_of_flow(flow: JSONObject | None) -> str | None:
    """Return the one subscription that the session is about, or None for all."""
    kind = "" if flow is None else flow["type"]
    found = (flow or {}).get(kind) or {}
    return found.get("subscription")


def _flow(ledger: Ledger, customer: str, given: JSONObject | None) -> JSONObject | None:
    if given is None:
        return None
    kind = given.get("type")
    if kind not in {"payment_method_update", "subscription_cancel", "subscription_update"}:
        raise APIError("Invalid flow_data[type].", param="flow_data[type]")
    after = given.get("after_completion") or {"type": "portal_homepage"}
    if after.get("type") == "redirect":
        name = "flow_data[after_completion][redirect][return_url]"
        page_url(after.get("redirect", {}).get("return_url", ""), name)
    flow = {"type": kind, "after_completion": after, kind: given.get(kind)}
    chosen = subscription_of_flow(flow)
    if kind != "payment_method_update":
        name = f"flow_data[{kind}][subscription]"
        subscription = ledger.get_named("subscription", chosen or "", param=name)
        if subscription["customer"] != customer:
            raise APIError(f"No such subscription: '{chosen}'", param=name)
    return flow


def _replace_card(ledger: Ledger, session: JSONObject, fields: Fields, at_s: int) -> None:
    number, expiry, cvc = (fields.get(name, "") for name in ("card", "expiry", "cvc"))
    card = parse_card(number, expiry, cvc.strip(), at_s)
    if isinstance(card, str):
        raise APIError(card, status=402)
    if card.is_declined:
        raise APIError("Your card was declined. Try another card.", status=402)
    customer = ledger.get("customer", session["customer"])
    method = give_card(ledger, customer, card, at_s)
    settings = customer["invoice_settings"] | {"default_payment_method": method["id"]}
    update_customer(ledger, customer, {"invoice_settings": settings}, at_s)


def _change(subscription: JSONObject, fields: Fields) -> JSONObject:
    quantity = fields.get("quantity", "1")
    if not (quantity.isascii() and quantity.isdigit() and len(quantity) <= 4):
        raise APIError("The quantity has to be a whole number.")
    item = fields.get("item") or subscription["items"]["data"][0]["id"]
    changed = {"id": item, "price": fields.get("price", ""), "quantity": int(quantity)}
    # A plan that cannot be paid is not had: what was paid for stays as it is.
    return {
        "items": [changed],
        "proration_behavior": "always_invoice",
        "payment_behavior": "error_if_incomplete",
    }


_ACTIONS: dict[str, Callable[[JSONObject, Fields], JSONObject]] = {
    "cancel": lambda _subscription, _fields: {"cancel_at_period_end": True},
    "resume": lambda _subscription, _fields: {"cancel_at_period_end": False},
    "pause": lambda _subscription, _fields: {"pause_collection": {"behavior": "void"}},
    "unpause": lambda _subscription, _fields: {"pause_collection": None},
    "update": _change,
}
