"""What the stand-in's own objects say of money: what was paid, for what, and what is gone again.

Raw objects in plain steps, as in `provider_truth`; nothing of billing is imported.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from demo.sandbox.store import Store
from tests.support.stripe_account import Body

UNPAID = ("open", "draft")
"""An invoice that may yet be paid."""

_BACK = ("succeeded", "pending", "requires_action")
_TAKEN = ("needs_response", "under_review", "lost")


@dataclass(frozen=True, slots=True)
class Paid:
    """An invoice's or order's money: in words that both sides use."""

    status: str
    refunded_minor: int
    is_taken_back: bool


class ProviderMoney:
    """Reads one stand-in's store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def invoices(self) -> dict[str, Paid]:
        """Return what became of each invoice."""
        return {
            invoice["id"]: self._paid(invoice["status"], self._charges_of(invoice["id"]))
            for invoice in self._store.oldest("invoice")
        }

    def orders(self) -> dict[str, Paid]:
        """Return what became of each order, by its payment intent."""
        found = {}
        for session in self._store.oldest("checkout.session"):
            if session["mode"] == "payment" and session["payment_intent"] is not None:
                intent = self._store.find("payment_intent", session["payment_intent"]) or {}
                status = "paid" if intent["status"] == "succeeded" else "unpaid"
                charges = [
                    charge
                    for charge in self._store.oldest("charge")
                    if charge["payment_intent"] == intent["id"] and charge["status"] == "succeeded"
                ]
                found[intent["id"]] = self._paid(status, charges)
        return found

    def open_orders(self) -> set[str]:
        """Return the sessions of the orders that open doors now: paid once, for ever."""
        orders = self.orders()
        return {
            session["id"]
            for session in self._store.oldest("checkout.session")
            if session["mode"] == "payment"
            and (paid := orders.get(session["payment_intent"])) is not None
            and paid.status == "paid"
            and not paid.is_taken_back
        }

    def invoices_of(self, held: Body) -> Iterator[Body]:
        """Yield the subscription's invoices, the oldest first."""
        for invoice in self._store.oldest("invoice"):
            details = (invoice["parent"] or {}).get("subscription_details") or {}
            if details.get("subscription") == held["id"]:
                yield invoice

    def is_gone(self, invoice: Body) -> bool:
        """Tell whether all of the invoice's money was taken back."""
        return self._paid(invoice["status"], self._charges_of(invoice["id"])).is_taken_back

    def gone_since_s(self, invoice: Body) -> int | None:
        """Return since when the invoice's money is gone as a whole."""
        if not self.is_gone(invoice):
            return None
        ids = {charge["id"] for charge in self._charges_of(invoice["id"])}
        refunds = [
            r for r in self._store.oldest("refund") if r["charge"] in ids and r["status"] in _BACK
        ]
        charged = sum(charge["amount"] for charge in self._charges_of(invoice["id"]))
        instants = [
            taken["created"]
            for kind in ("dispute", "radar.early_fraud_warning")
            for taken in self._store.oldest(kind)
            if taken["charge"] in ids
            and (taken.get("status") in _TAKEN or bool(taken.get("actionable")))
        ]
        if sum(r["amount"] for r in refunds) >= charged:
            instants.append(max(r["created"] for r in refunds))
        return int(min(instants))

    def _charges_of(self, invoice_id: str) -> list[Body]:
        intents = {
            row["payment"]["payment_intent"]
            for row in self._store.oldest("invoice_payment")
            if row["invoice"] == invoice_id and row["payment"].get("payment_intent")
        }
        return [
            charge
            for charge in self._store.oldest("charge")
            if charge["payment_intent"] in intents and charge["status"] == "succeeded"
        ]

    def _paid(self, status: str, charges: list[Body]) -> Paid:
        ids = {charge["id"] for charge in charges}
        refunded = sum(
            refund["amount"]
            for refund in self._store.oldest("refund")
            if refund["charge"] in ids and refund["status"] in _BACK
        )
        charged = sum(charge["amount"] for charge in charges)
        disputed = any(
            dispute["charge"] in ids and dispute["status"] in _TAKEN
            for dispute in self._store.oldest("dispute")
        )
        warned = any(
            warning["charge"] in ids and warning["actionable"]
            for warning in self._store.oldest("radar.early_fraud_warning")
        )
        is_all = bool(charges) and 0 < charged <= refunded
        return Paid(
            status if status in {"paid", "void", "uncollectible"} else "unpaid",
            refunded,
            is_all or disputed or warned,
        )


def lines_of(invoice: Body, item_id: str) -> Iterator[Body]:
    """Yield what the invoice asks for the item; a negative line is a credit."""
    for line in invoice["lines"]["data"]:
        details = (line["parent"] or {}).get("subscription_item_details") or {}
        if details.get("subscription_item") == item_id and line["amount"] >= 0:
            yield line


def price_of(line: Body) -> str:
    """Return the price that the line is for."""
    return str(line["pricing"]["price_details"]["price"])
