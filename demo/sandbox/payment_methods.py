"""Payment methods: the cards of customers, attached, detached and replaced."""

from demo.sandbox.cards import (
    CVC_DEFAULT,
    RENEWALS_FAIL,
    RENEWALS_PASS,
    Card,
    number_of,
    parse_card,
    refusal_of,
)
from demo.sandbox.collection import collect, method_of
from demo.sandbox.customers import get_living, update_customer
from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.schedule import ENDED
from demo.sandbox.shapes import JSONObject
from demo.sandbox.standing import follow_invoice


def save_card(
    ledger: Ledger, card: Card, customer_id: str | None, email: str | None, at_s: int
) -> JSONObject:
    """Keep the card as a payment method, of the customer if there is one."""
    method = ledger.build("payment_method", at_s, customer=customer_id)
    method["billing_details"]["email"] = email
    method["card"] |= {
        "brand": card.brand,
        "display_brand": card.brand,
        "last4": card.last4,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "networks": {"available": [card.brand], "preferred": None},
    }
    ledger.save(method)
    return method


def create_method(ledger: Ledger, params: JSONObject, at_s: int) -> JSONObject:
    """Make a payment method of a card's number, or of one of Stripe's test tokens.

    Raises:
        APIError: the card is missing, or is none.
    """
    card = params.get("card")
    if card is None:
        raise APIError("Missing required param: card.", code="parameter_missing", param="card")
    number = number_of(card["token"]) if "token" in card else card.get("number", "")
    return save_card(ledger, _read(number or "", card, at_s), None, None, at_s)


def attach_method(ledger: Ledger, method_id: str, customer_id: str, at_s: int) -> JSONObject:
    """Give the payment method to the customer; `pm_card_visa` and its like make a new one.

    Raises:
        APIError: there is no such method or customer, it belongs to another, or it is declined.
    """
    get_living(ledger, customer_id)
    number = number_of(method_id) if method_id.startswith("pm_card_") else None
    if number is not None:
        method = save_card(ledger, _read(number, {}, at_s), None, None, at_s)
    else:
        method = ledger.get("payment_method", method_id)
    if method["customer"] not in {None, customer_id}:
        message = "The payment method you provided has already been attached to a customer."
        raise APIError(message)
    method["customer"] = customer_id
    ledger.save(method)
    ledger.announce("payment_method.attached", method, at_s)
    return method


def detach_method(ledger: Ledger, method: JSONObject, at_s: int) -> JSONObject:
    """Take the payment method from its customer; nothing is charged to it any more.

    Raises:
        APIError: it belongs to nobody.
    """
    owner = method["customer"]
    if owner is None:
        message = "The payment method you provided is not attached to a customer so detachment is "
        raise APIError(f"{message}impossible.")
    customer = ledger.get("customer", owner)
    if customer["invoice_settings"]["default_payment_method"] == method["id"]:
        update_customer(
            ledger, customer, {"invoice_settings": {"default_payment_method": None}}, at_s
        )
    for subscription in list(ledger.store.oldest("subscription", owner=owner)):
        if subscription["default_payment_method"] == method["id"]:
            ledger.update(
                "customer.subscription.updated", subscription, at_s, default_payment_method=None
            )
    method["customer"] = None
    ledger.save(method)
    ledger.announce("payment_method.detached", method, at_s, {"customer": owner})
    return method


def replace_card(ledger: Ledger, customer: JSONObject, at_s: int, *, fails: bool) -> None:
    """Give every living subscription of the customer a card whose renewals fail, or pass."""
    with ledger.store.transaction():
        give_card(ledger, customer, RENEWALS_FAIL if fails else RENEWALS_PASS, at_s)


def give_card(ledger: Ledger, customer: JSONObject, card: Card, at_s: int) -> JSONObject:
    """Charge every living subscription of the customer to a new card; return its method.

    A good card also pays what is past due at once, as Stripe's next retry would.
    """
    method = save_card(ledger, card, customer["id"], customer["email"], at_s)
    for subscription in list(ledger.store.oldest("subscription", owner=customer["id"])):
        if subscription["status"] not in ENDED:
            _change_card(ledger, subscription, method, at_s)
    return method


def has_failing_card(ledger: Ledger, subscription: JSONObject) -> bool:
    """Tell whether the subscription's next renewal is going to be declined."""
    method = method_of(ledger, subscription)
    return method is None or refusal_of(method[method["type"]]["last4"]) is not None


def _change_card(ledger: Ledger, subscription: JSONObject, method: JSONObject, at_s: int) -> None:
    ledger.update(
        "customer.subscription.updated",
        subscription,
        at_s,
        default_payment_method=method["id"],
    )
    if refusal_of(method[method["type"]]["last4"]) is not None:
        return
    found = ledger.store.oldest("invoice", where={"subscription": subscription["id"]})
    for invoice in [one for one in found if one["status"] == "open" and one["auto_advance"]]:
        collect(ledger, invoice, at_s, is_scheduled=False)
        follow_invoice(ledger, invoice, at_s)


def _read(number: str, given: JSONObject, at_s: int) -> Card:
    """Return the card that the parameters describe; a token stands for a whole card."""
    expiry = f"{given.get('exp_month', 12):02} / {given.get('exp_year', 2049)}"
    card = parse_card(number, expiry, given.get("cvc", CVC_DEFAULT), at_s)
    if isinstance(card, str):
        raise APIError(card, status=402, code="incorrect_number", kind="card_error", param="card")
    return card
