"""What the stand-in's own objects say a client may use and has paid, read without our adapter.

A second opinion: it reads raw objects, in plain steps, and imports nothing of billing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from demo.sandbox.store import Store
from tests.support.stripe_account import DAY_S, Body

SLACK_S = 3600
GRACE_DAYS = 7
_BACK = ("succeeded", "pending", "requires_action")
_TAKEN = ("needs_response", "under_review", "lost")
_UNPAID = ("open", "draft")


@dataclass(frozen=True, slots=True)
class Paid:
    """An invoice's or order's money: in words that both sides use."""

    status: str
    refunded_minor: int
    is_taken_back: bool


class ProviderTruth:
    """Reads one stand-in's store at the instant `now_s`."""

    def __init__(self, store: Store, now_s: int) -> None:
        self._store = store
        self._now_s = now_s

    def subscriptions(self) -> dict[str, tuple[str, frozenset[tuple[str, str, int, int]]]]:
        """Return raw status and items (id, price, quantity, period end) by subscription."""
        return {
            held["id"]: (
                held["status"],
                frozenset(
                    (i["id"], i["price"]["id"], i["quantity"], i["current_period_end"])
                    for i in held["items"]["data"]
                ),
            )
            for held in self._store.oldest("subscription")
        }

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

    def open_items(self) -> dict[str, str]:
        """Return the items that open doors now, and the price of each."""
        found = {}
        for held in self._store.oldest("subscription"):
            for item in held["items"]["data"]:
                if self._opens(held, item):
                    found[item["id"]] = item["price"]["id"]
        return found

    def _opens(self, held: Body, item: Body) -> bool:
        paid = list(self._paying(held, item["id"]))
        if self._is_all_gone(paid):
            return False
        through_s = max((end for invoice, end in paid if not self._gone(invoice)), default=0)
        is_awaited = not paid and self._has_open(held, item["id"])
        status = held["status"]
        if status in {"active", "past_due"} and is_awaited:
            return False
        if status == "active" and held["pause_collection"] is not None:
            # Nothing is given back for the rest of what is paid.
            return self._before_cancel(held, through_s)
        if status == "active":
            return self._is_before_end(held, item)
        if status == "trialing":
            end_s = int(held["trial_end"] or item["current_period_end"])
            # Nothing is collected in a trial, so that there is nothing to pause.
            return self._before_cancel(held, end_s + SLACK_S)
        if status == "past_due":
            since_s = self._owing_since_s(held)
            in_grace = since_s is not None and self._now_s < since_s + GRACE_DAYS * DAY_S
            return in_grace or self._now_s < through_s
        return bool(status == "unpaid" and self._now_s < through_s)

    def _is_before_end(self, held: Body, item: Body) -> bool:
        end_s = int(item["current_period_end"])
        return self._before_cancel(held, end_s + SLACK_S)

    def _before_cancel(self, held: Body, end_s: int) -> bool:
        cancel_s = held["cancel_at"]
        return self._now_s < (end_s if cancel_s is None else min(end_s, cancel_s))

    def _invoices_of(self, held: Body) -> Iterator[Body]:
        for invoice in self._store.oldest("invoice"):
            details = (invoice["parent"] or {}).get("subscription_details") or {}
            if details.get("subscription") == held["id"]:
                yield invoice

    def _paying(self, held: Body, item_id: str) -> Iterator[tuple[Body, int]]:
        """Yield each paid invoice that has the item on it, and the end of what it paid for."""
        for invoice in self._invoices_of(held):
            if invoice["status"] == "paid":
                for line in _lines_of(invoice, item_id):
                    yield invoice, int(line["period"]["end"])

    def _has_open(self, held: Body, item_id: str) -> bool:
        return any(
            invoice["status"] in _UNPAID
            and invoice["amount_due"] > 0
            and any(True for _ in _lines_of(invoice, item_id))
            for invoice in self._invoices_of(held)
        )

    def _is_all_gone(self, paid: list[tuple[Body, int]]) -> bool:
        """Tell whether every payment for the item's last paid end was taken back."""
        last_s = max((end for _, end in paid), default=None)
        # What cost nothing is no money that is left.
        last = [i for i, end in paid if end == last_s and i["amount_due"] > 0]
        return bool(last) and all(self._gone(invoice) for invoice in last)

    def _gone(self, invoice: Body) -> bool:
        return self._paid(invoice["status"], self._charges_of(invoice["id"])).is_taken_back

    def _owing_since_s(self, held: Body) -> int | None:
        invoices = list(self._invoices_of(held))
        paid_s = max((i["created"] for i in invoices if i["status"] == "paid"), default=None)
        owed = [
            i["created"]
            for i in invoices
            if i["status"] == "open"
            and i["amount_due"] > 0
            and (paid_s is None or i["created"] > paid_s)
        ]
        return min(owed, default=None)

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


def _lines_of(invoice: Body, item_id: str) -> Iterator[Body]:
    for line in invoice["lines"]["data"]:
        details = (line["parent"] or {}).get("subscription_item_details") or {}
        if details.get("subscription_item") == item_id and line["amount"] >= 0:
            yield line
