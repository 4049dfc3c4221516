"""Payment methods: the card that a checkout leaves with its customer, and its replacement."""

from demo.sandbox.cards import RENEWALS_FAIL, RENEWALS_PASS, Card, renews
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject
from demo.sandbox.subscriptions import change_card


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


def replace_card(ledger: Ledger, customer: JSONObject, at_s: int, *, fails: bool) -> None:
    """Give every living subscription of the customer a card whose renewals fail, or pass.

    A good card also pays what is past due at once, as Stripe's next retry would.
    """
    card = RENEWALS_FAIL if fails else RENEWALS_PASS
    with ledger.store.transaction():
        method = save_card(ledger, card, customer["id"], customer["email"], at_s)
        for subscription in list(ledger.store.oldest("subscription", owner=customer["id"])):
            if subscription["status"] != "canceled":
                change_card(ledger, subscription, method, at_s)


def has_failing_card(ledger: Ledger, subscription: JSONObject) -> bool:
    """Tell whether the subscription's next renewal is going to be declined."""
    method = ledger.get("payment_method", subscription["default_payment_method"])
    return not renews(method["card"]["last4"])
