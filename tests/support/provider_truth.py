"""What the stand-in's own objects say a client may use, read without our adapter.

A second opinion: it reads raw objects, in plain steps, and imports nothing of billing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from demo.sandbox.store import Store
from tests.support.provider_money import UNPAID, Paid, ProviderMoney, lines_of, price_of
from tests.support.stripe_account import DAY_S, Body

SLACK_S = 3600
GRACE_DAYS = 7


@dataclass(frozen=True, slots=True)
class _Had:
    """The price whose plan a client has by an item, until when, and what paid for that."""

    price: str
    end_s: int
    paid: list[tuple[Body, Body]]


Held: TypeAlias = tuple[str, frozenset[tuple[str, str, int, int]]]
"""A subscription: raw status and items, each by id, price, quantity and period end."""


class ProviderTruth:
    """Reads one stand-in's store at the instant `now_s`."""

    def __init__(self, store: Store, now_s: int) -> None:
        self._store = store
        self._money = ProviderMoney(store)
        self._now_s = now_s

    def payments(self) -> dict[str, Paid]:
        """Return every invoice, and every order by its payment intent."""
        return self._money.invoices() | self._money.orders()

    def subscriptions(self) -> dict[str, Held]:
        """Return every subscription by its id."""
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

    def open_items(self) -> dict[str, str]:
        """Return the items that open doors now, and the price whose plan each of them gives."""
        found = {}
        for held in self._store.oldest("subscription"):
            for item in held["items"]["data"]:
                had = self._had(held, item)
                if self._opens(held, item, had):
                    found[item["id"]] = had.price
        return found

    def open_orders(self) -> set[str]:
        """Return the sessions of the orders that open doors now: paid once, for ever."""
        return self._money.open_orders()

    def surely_open(self) -> set[tuple[str, str]]:
        """Return the items and prices that were paid for now and are still had, whatever else.

        No rule of grace, change or slack comes into it: who is not let in here was robbed.
        """
        return {
            (item["id"], item["price"]["id"])
            for held, item in self._items("active")
            if (held["cancel_at"] is None or self._now_s < held["cancel_at"])
            for invoice, line in self._paying(held, item["id"])
            if price_of(line) == item["price"]["id"]
            and line["period"]["start"] <= self._now_s < line["period"]["end"]
            and invoice["amount_due"] > 0
            and not self._money.is_gone(invoice)
        }

    def surely_shut(self) -> set[tuple[str, str]]:
        """Return the items and prices for which money was asked, and none was ever had."""
        found = set()
        for held, item in self._items("active", "past_due", "unpaid", "incomplete"):
            price = item["price"]["id"]
            asked = [
                invoice
                for invoice in self._money.invoices_of(held)
                if any(price_of(line) == price for line in lines_of(invoice, item["id"]))
            ]
            if asked and not any(
                i["status"] == "paid" and not self._money.is_gone(i) for i in asked
            ):
                is_asked = any(i["amount_due"] > 0 for i in asked if i["status"] in UNPAID)
                # A grace lets who had another price before go on with this one for a while.
                had_other = any(True for _ in self._paying(held, item["id"]))
                if is_asked and not had_other:
                    found.add((item["id"], price))
        return found

    def _items(self, *statuses: str) -> Iterator[tuple[Body, Body]]:
        for held in self._store.oldest("subscription"):
            if held["status"] in statuses:
                for item in held["items"]["data"]:
                    yield held, item

    def _had(self, held: Body, item: Body) -> "_Had":
        """Return the price that was paid for, which is not always the one that the item has.

        Where money for the present price was asked for and did not come, or came and went,
        the client has what was paid for before at another price, while that is left.
        """
        own, end_s = item["price"]["id"], int(item["current_period_end"])
        paid = list(self._paying(held, item["id"]))
        lost_s = self._lost_since_s(held, item, paid)
        left = [
            (int(line["period"]["end"]), int(line["period"]["start"]), price_of(line))
            for invoice, line in paid
            if price_of(line) != own
            and invoice["amount_due"] > 0
            and not self._money.is_gone(invoice)
        ]
        if lost_s is None or max(left, default=(0,))[0] <= lost_s:
            return _Had(own, end_s, paid)
        left_s, _, price = max(left)
        before = [(invoice, line) for invoice, line in paid if price_of(line) == price]
        return _Had(price, min(end_s, left_s), before)

    def _lost_since_s(self, held: Body, item: Body, paid: list[tuple[Body, Body]]) -> int | None:
        """Return since when the item's present price is unpaid; None where it is paid for."""
        own = item["price"]["id"]
        ends = [line["period"]["end"] for _, line in paid]
        own_paid = [
            invoice
            for invoice, line in paid
            if price_of(line) == own and line["period"]["end"] == max(ends)
        ]
        if own_paid:
            asked = [invoice for invoice in own_paid if invoice["amount_due"] > 0]
            gone = [
                at for invoice in asked if (at := self._money.gone_since_s(invoice)) is not None
            ]
            return max(gone) if gone and len(gone) == len(asked) else None
        return min(
            (
                int(line["period"]["start"])
                for invoice in self._money.invoices_of(held)
                if invoice["status"] in UNPAID and invoice["amount_due"] > 0
                for line in lines_of(invoice, item["id"])
                if price_of(line) == own
            ),
            default=None,
        )

    def _opens(self, held: Body, item: Body, had: "_Had") -> bool:
        if self._is_all_gone(had.paid):
            return False
        ends = [
            line["period"]["end"] for invoice, line in had.paid if not self._money.is_gone(invoice)
        ]
        through_s = max(ends, default=0)
        status = held["status"]
        is_awaited = not had.paid and self._has_open(held, item["id"])
        if status in {"active", "past_due"} and is_awaited:
            return False
        if status == "active" and held["pause_collection"] is not None:
            # Nothing is given back for the rest of what is paid.
            return self._before_cancel(held, through_s)
        if status == "active":
            return self._before_cancel(held, had.end_s + SLACK_S)
        if status == "trialing":
            # Nothing is collected in a trial, so that there is nothing to pause.
            end_s = int(held["trial_end"] or item["current_period_end"])
            return self._before_cancel(held, end_s + SLACK_S)
        if status == "past_due":
            since_s = self._owing_since_s(held)
            in_grace = since_s is not None and self._before_cancel(
                held, since_s + GRACE_DAYS * DAY_S
            )
            return in_grace or self._now_s < through_s
        return bool(status == "unpaid" and self._now_s < through_s)

    def _before_cancel(self, held: Body, end_s: int) -> bool:
        cancel_s = held["cancel_at"]
        return self._now_s < (end_s if cancel_s is None else min(end_s, cancel_s))

    def _paying(self, held: Body, item_id: str) -> Iterator[tuple[Body, Body]]:
        """Yield each paid invoice that has the item on it, and the line that is for the item."""
        for invoice in self._money.invoices_of(held):
            if invoice["status"] == "paid":
                for line in lines_of(invoice, item_id):
                    yield invoice, line

    def _has_open(self, held: Body, item_id: str) -> bool:
        return any(
            invoice["status"] in UNPAID
            and invoice["amount_due"] > 0
            and any(True for _ in lines_of(invoice, item_id))
            for invoice in self._money.invoices_of(held)
        )

    def _is_all_gone(self, paid: list[tuple[Body, Body]]) -> bool:
        """Tell whether every payment for the item's last paid end was taken back."""
        last_s = max((line["period"]["end"] for _, line in paid), default=None)
        # What cost nothing is no money that is left.
        last = [
            invoice
            for invoice, line in paid
            if line["period"]["end"] == last_s and invoice["amount_due"] > 0
        ]
        return bool(last) and all(self._money.is_gone(invoice) for invoice in last)

    def _owing_since_s(self, held: Body) -> int | None:
        invoices = list(self._money.invoices_of(held))
        paid_s = max((i["created"] for i in invoices if i["status"] == "paid"), default=None)
        owed = [
            i["created"]
            for i in invoices
            if i["status"] == "open"
            and i["amount_due"] > 0
            and (paid_s is None or i["created"] > paid_s)
        ]
        return min(owed, default=None)
