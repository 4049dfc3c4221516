"""Subscription items: each has a price, a quantity, and a period of its own."""

import copy
from collections.abc import Iterable

from demo.sandbox.clock import next_period_end_s
from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject

QUANTITY_LIMIT = 1_000_000

# Intervals of which one can be a whole number of the other, in the smaller one's units.
_UNITS = {"day": ("day", 1), "week": ("day", 7), "month": ("month", 1), "year": ("month", 12)}


def build_item(
    ledger: Ledger,
    subscription_id: str,
    price: JSONObject,
    quantity: int,
    at_s: int,
    *,
    end_s: int,
    metadata: dict[str, str] | None = None,
) -> JSONObject:
    """Return an item whose first period runs from `at_s` to `end_s`."""
    return ledger.build(
        "subscription_item",
        at_s,
        subscription=subscription_id,
        price=price,
        quantity=quantity,
        metadata=metadata or {},
        current_period_start=at_s,
        current_period_end=end_s,
    )


def items_list(subscription_id: str, items: list[JSONObject]) -> JSONObject:
    """Return the list object that holds a subscription's items."""
    return {
        "object": "list",
        "data": items,
        "has_more": False,
        "url": f"/v1/subscription_items?subscription={subscription_id}",
    }


def end_after_s(price: JSONObject, anchor_s: int, after_s: int) -> int:
    """Return where a period of the price ends that `after_s` lies in."""
    rhythm = price["recurring"]
    return next_period_end_s(anchor_s, after_s, rhythm["interval"], rhythm["interval_count"])


def move_on(items: list[JSONObject], anchor_s: int, at_s: int) -> list[JSONObject]:
    """Return copies of the items whose periods begin at `at_s`."""
    moved = copy.deepcopy(items)
    for item in moved:
        item["current_period_start"] = at_s
        item["current_period_end"] = end_after_s(item["price"], anchor_s, at_s)
    return moved


def is_due(item: JSONObject, at_s: int) -> bool:
    """Tell whether the item's period is over at `at_s`."""
    return int(item["current_period_end"]) <= at_s


def find_price(ledger: Ledger, price_id: str, name: str) -> JSONObject:
    """Return the recurring price that a parameter of `name` names for an item.

    Raises:
        APIError: there is none, it is not for sale, or it is paid once.
    """
    price = ledger.get_named("price", price_id, param=name)
    if not price["active"]:
        raise APIError("The price specified is inactive.", param=name)
    if price["recurring"] is None:
        message = (
            f"The price specified is set to `type=one_time` but this field only accepts {name}"
        )
        raise APIError(f"{message} with `type=recurring`.", param=name)
    return price


def check_quantity(quantity: int, name: str) -> int:
    """Refuse a quantity that is out of range."""
    if not 0 <= quantity <= QUANTITY_LIMIT:
        raise APIError(f"Invalid quantity: must be 0 to {QUANTITY_LIMIT}", param=name)
    return quantity


def check_rhythms(prices: Iterable[JSONObject], name: str) -> None:
    """Refuse prices that cannot share one subscription.

    All are of one currency, and the longer intervals are whole multiples of the shortest
    (Stripe, "Mixed interval subscriptions").
    """
    prices = list(prices)
    if len({price["currency"] for price in prices}) > 1:
        raise APIError("All prices must share one currency.", param=name)
    rhythms = [price["recurring"] for price in prices if price["recurring"]]
    lengths = [
        (unit, count * rhythm["interval_count"])
        for rhythm in rhythms
        for unit, count in (_UNITS[rhythm["interval"]],)
    ]
    shortest = min((count for _, count in lengths), default=1)
    if len({unit for unit, _ in lengths}) > 1 or any(count % shortest for _, count in lengths):
        raise APIError(
            "The intervals of all prices must be whole multiples of the shortest one.", param=name
        )
