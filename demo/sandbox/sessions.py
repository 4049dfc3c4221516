"""Checkout sessions: opened by the API, expired by it or by time. Paying them is `purchases`."""

from demo.sandbox.customers import get_living
from demo.sandbox.errors import APIError
from demo.sandbox.items import check_rhythms
from demo.sandbox.ledger import Ledger
from demo.sandbox.links import page_url
from demo.sandbox.shapes import JSONObject, new_id
from demo.sandbox.trials import trial_end_of

# Stripe's bounds for `expires_at` ("Create a Checkout Session").
_LIFETIME_S = 24 * 3600
_SHORTEST_LIFETIME_S = 30 * 60

# What the API tells about a session and the session object itself does not show.
_PLAN = "sandbox.checkout_plan"


def create_session(ledger: Ledger, params: JSONObject, *, public_url: str, at_s: int) -> JSONObject:
    """Open a session, whose `url` is the hosted page below `public_url`.

    Raises:
        APIError: a parameter is missing, contradicts another, or names what is not there.
    """
    mode = _required(params, "mode")
    lines = _build_lines(ledger, params, mode)
    customer = params.get("customer")
    if customer is not None:
        get_living(ledger, customer)
        if "customer_email" in params:
            message = "You may only specify one of these parameters: customer, customer_email."
            raise APIError(message, param="customer_email")
    data = params.get("subscription_data", {})
    is_trial = trial_end_of(data, at_s) is not None
    amount = sum(
        line["amount_total"] for line in lines if not (is_trial and line["price"]["recurring"])
    )
    collection = "always" if mode == "subscription" else "if_required"
    session = ledger.build(
        "checkout.session",
        at_s,
        mode=mode,
        customer=customer,
        customer_email=params.get("customer_email"),
        customer_creation=None if mode == "subscription" else _customer_creation(params),
        client_reference_id=params.get("client_reference_id"),
        metadata=params.get("metadata", {}),
        success_url=page_url(_required(params, "success_url"), "success_url"),
        cancel_url=page_url(params["cancel_url"], "cancel_url") if "cancel_url" in params else None,
        locale=params.get("locale"),
        amount_subtotal=amount,
        amount_total=amount,
        currency=lines[0]["currency"],
        expires_at=_expires_at(params, at_s),
        payment_method_types=_method_types(params, lines[0]["currency"]),
        allow_promotion_codes=params.get("allow_promotion_codes"),
        payment_method_collection=params.get("payment_method_collection", collection),
    )
    session["url"] = session_url(public_url, session["id"])
    plan = {
        "id": _plan_id(session["id"]),
        "object": _PLAN,
        "subscription_data": data,
        "payment_metadata": params.get("payment_intent_data", {}).get("metadata", {}),
    }
    ledger.save(session)
    ledger.store.save(plan, owner=session["id"])
    for line in lines:
        ledger.store.save(line, owner=session["id"])
    return session


def expire_session(ledger: Ledger, session: JSONObject, at_s: int) -> JSONObject:
    """Close an open session; its page cannot be paid any more.

    Raises:
        APIError: the session is complete or has expired before.
    """
    if session["status"] != "open":
        raise APIError(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of `{session['status']}`."
        )
    ledger.change(session, status="expired", url=None)
    ledger.save(session)
    ledger.announce("checkout.session.expired", session, at_s)
    return session


def takes_no_card(session: JSONObject) -> bool:
    """Tell whether the session can be completed without a card: nothing is due, none is asked."""
    return not session["amount_total"] and session["payment_method_collection"] == "if_required"


def plan_of(ledger: Ledger, session: JSONObject) -> JSONObject:
    """Return what the API was told about the session and its object does not show."""
    plan = ledger.get(_PLAN, _plan_id(session["id"]))
    # Data folders outlive versions: of a session of an earlier one there is only the metadata.
    return {"subscription_data": {"metadata": plan.get("subscription_metadata", {})}} | plan


def line_items(ledger: Ledger, session_id: str) -> list[JSONObject]:
    """Return the session's line items in the order in which they were given."""
    return list(ledger.store.oldest("item", owner=session_id))


def session_url(public_url: str, session_id: str) -> str:
    """Return where browsers find the session's hosted page."""
    return f"{public_url}/c/pay/{session_id}"


def move_open_sessions(ledger: Ledger, public_url: str) -> None:
    """Point open sessions to `public_url`: a restart may have brought another port.

    Kept answers follow, or a repeated request would lead its buyer to the old port.
    """
    with ledger.store.transaction():
        for session in list(ledger.store.oldest("checkout.session")):
            url = session_url(public_url, session["id"])
            if session["status"] == "open" and session["url"] != url:
                ledger.store.rewrite_answers(session["url"], url)
                ledger.save(session | {"url": url})


def _plan_id(session_id: str) -> str:
    return f"plan_of_{session_id}"


def _required(params: JSONObject, name: str) -> str:
    if not params.get(name):
        raise APIError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return str(params[name])


def _build_lines(ledger: Ledger, params: JSONObject, mode: str) -> list[JSONObject]:
    given = params.get("line_items") or []
    if not given:
        raise APIError(
            "Missing required param: line_items.", code="parameter_missing", param="line_items"
        )
    lines = [_build_line(ledger, line, f"line_items[{i}]") for i, line in enumerate(given)]
    rhythms = [line["price"]["recurring"] for line in lines]
    intervals = {rhythm["interval"] for rhythm in rhythms if rhythm}
    if mode == "payment" and intervals:
        raise APIError(
            "You specified `payment` mode but passed a recurring price. Either switch to "
            "`subscription` mode or use only one-time prices.",
            param="line_items",
        )
    if mode == "subscription" and not intervals:
        raise APIError(
            "You must provide at least one recurring price in `subscription` mode when using "
            "prices.",
            param="line_items",
        )
    check_rhythms([line["price"] for line in lines], "line_items")
    return lines


def _build_line(ledger: Ledger, given: JSONObject, name: str) -> JSONObject:
    price = ledger.get_named("price", _required(given, "price"), param=f"{name}[price]")
    quantity = given.get("quantity", 1)
    if not price["active"]:
        raise APIError("The price specified is inactive.", param=f"{name}[price]")
    if not 1 <= quantity <= 1000:
        raise APIError("Invalid quantity: must be 1 to 1000", param=f"{name}[quantity]")
    amount = price["unit_amount"] * quantity
    product = ledger.get("product", price["product"])
    return ledger.shapes.build(
        "item",
        id=new_id("item"),
        amount_subtotal=amount,
        amount_total=amount,
        currency=price["currency"],
        description=product["name"],
        price=price,
        quantity=quantity,
    )


def _customer_creation(params: JSONObject) -> str:
    return str(params.get("customer_creation", "if_required"))


def _method_types(params: JSONObject, currency: str) -> list[str]:
    """Return how the session can be paid: as asked, or as the account has it."""
    given: list[str] = params.get("payment_method_types") or []
    # A SEPA debit is in euros (Stripe, "SEPA Direct Debit payments").
    usual = ["card", "sepa_debit"] if currency == "eur" else ["card"]
    if "sepa_debit" in given and currency != "eur":
        message = "The payment method type `sepa_debit` is in euros only."
        raise APIError(message, param="payment_method_types")
    return given or usual


def _expires_at(params: JSONObject, at_s: int) -> int:
    wanted = params.get("expires_at", at_s + _LIFETIME_S)
    # A minute of leeway on both ends, for a caller whose clock is not quite ours.
    if not _SHORTEST_LIFETIME_S - 60 <= wanted - at_s <= _LIFETIME_S + 60:
        message = "The `expires_at` timestamp must be 30 minutes to 24 hours from now."
        raise APIError(message, param="expires_at")
    return int(wanted)
