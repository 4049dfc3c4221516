"""What a change of items comes to: the new items and their periods, and what is prorated."""

import copy
from dataclasses import dataclass

from demo.sandbox.customers import merge_metadata
from demo.sandbox.errors import APIError, missing
from demo.sandbox.items import (
    build_item,
    check_quantity,
    check_rhythms,
    end_after_s,
    find_price,
)
from demo.sandbox.ledger import Ledger
from demo.sandbox.lines import item_line, remaining_line, unused_line
from demo.sandbox.shapes import JSONObject

_RHYTHM = ("interval", "interval_count")


@dataclass(frozen=True, slots=True)
class Change:
    """The items as they are to be, and the lines that pay for the difference."""

    items: list[JSONObject]
    anchor_s: int
    lines: list[JSONObject]
    is_invoiced: bool


def plan_change(
    ledger: Ledger, subscription: JSONObject, params: JSONObject, at_s: int
) -> Change | None:
    """Return what `items` and `billing_cycle_anchor` ask for, or None if they ask for nothing.

    An item whose price comes as often as before keeps its period, and so do the items beside
    it. If no item is left that does, or if the anchor is to be now, the billing cycle begins
    anew and is invoiced at once (Stripe, "Prorations", When prorations are applied).

    Raises:
        APIError: an item names what is not there, or the items do not go together.
    """
    resets = params.get("billing_cycle_anchor") == "now"
    if "items" not in params and not resets:
        return None
    if subscription["status"] == "incomplete":
        raise APIError("An incomplete subscription cannot change its items.", param="items")
    old = subscription["items"]["data"]
    wanted = _merge(ledger, subscription, params.get("items", []), at_s)
    kept = {item["id"]: item for item in old}
    if not resets:
        resets = not any(_is_in_step(item, kept.get(item["id"])) for item in wanted)
    is_trial = subscription["status"] == "trialing"
    if old == wanted and not resets:
        return None
    if is_trial:
        end_s = subscription["trial_end"]
        items = [item | {"current_period_end": end_s} for item in wanted]
        return Change(items, subscription["billing_cycle_anchor"], [], is_invoiced=False)
    anchor_s = at_s if resets else subscription["billing_cycle_anchor"]
    items = [
        _in_period(item, kept.get(item["id"]), anchor_s, at_s, resets=resets) for item in wanted
    ]
    behavior = params.get("proration_behavior", "create_prorations")
    lines = _prorate(ledger, kept, items, at_s) if behavior != "none" else []
    if resets:
        credits_only = [line for line in lines if line["amount"] < 0]
        lines = credits_only + [item_line(ledger, item) for item in items]
    is_paused = subscription["status"] in {"paused", "unpaid", "incomplete"}
    is_invoiced = (resets or behavior == "always_invoice") and bool(lines) and not is_paused
    return Change(items, anchor_s, lines, is_invoiced)


def _merge(
    ledger: Ledger, subscription: JSONObject, given: list[JSONObject], at_s: int
) -> list[JSONObject]:
    """Return the items with what is given for them; those not named stay as they are."""
    items = {item["id"]: item for item in copy.deepcopy(subscription["items"]["data"])}
    for index, entry in enumerate(given):
        name = f"items[{index}]"
        item_id = entry.get("id")
        if item_id is None:
            item = _add(ledger, subscription, entry, name, at_s)
            items[item["id"]] = item
        elif item_id not in items:
            raise missing("subscription_item", item_id, param=f"{name}[id]", status=400)
        elif entry.get("deleted"):
            del items[item_id]
        else:
            _edit(ledger, items[item_id], entry, name)
    if not items:
        raise APIError("A subscription must have at least one active plan.", param="items")
    prices = [item["price"] for item in items.values()]
    if len({price["id"] for price in prices}) < len(prices):
        raise APIError("Cannot add multiple subscription items with the same price.", param="items")
    check_rhythms(prices, "items")
    return list(items.values())


def _add(
    ledger: Ledger, subscription: JSONObject, entry: JSONObject, name: str, at_s: int
) -> JSONObject:
    if "price" not in entry:
        param = f"{name}[price]"
        raise APIError(f"Missing required param: {param}.", code="parameter_missing", param=param)
    price = find_price(ledger, entry["price"], f"{name}[price]")
    quantity = check_quantity(entry.get("quantity", 1), f"{name}[quantity]")
    end_s = end_after_s(price, min(subscription["billing_cycle_anchor"], at_s), at_s)
    metadata = entry.get("metadata")
    return build_item(
        ledger, subscription["id"], price, quantity, at_s, end_s=end_s, metadata=metadata
    )


def _edit(ledger: Ledger, item: JSONObject, entry: JSONObject, name: str) -> None:
    if "price" in entry:
        item["price"] = find_price(ledger, entry["price"], f"{name}[price]")
    if "quantity" in entry:
        item["quantity"] = check_quantity(entry["quantity"], f"{name}[quantity]")
    if "metadata" in entry:
        item["metadata"] = merge_metadata(item["metadata"], entry["metadata"])


def _is_in_step(item: JSONObject, before: JSONObject | None) -> bool:
    """Tell whether the item was there before and comes as often as it did."""
    if before is None:
        return False
    now, then = item["price"]["recurring"], before["price"]["recurring"]
    return all(now[part] == then[part] for part in _RHYTHM)


def _in_period(
    item: JSONObject, before: JSONObject | None, anchor_s: int, at_s: int, *, resets: bool
) -> JSONObject:
    """Return the item with the period that it has after the change."""
    if not resets and _is_in_step(item, before):
        return item
    return item | {
        "current_period_start": at_s,
        "current_period_end": end_after_s(item["price"], anchor_s, at_s),
    }


def _prorate(
    ledger: Ledger, kept: dict[str, JSONObject], items: list[JSONObject], at_s: int
) -> list[JSONObject]:
    """Return credits for what is taken away, and charges for what takes its place."""
    now = {item["id"]: item for item in items}
    changed = [
        item_id
        for item_id in {**kept, **now}
        if item_id not in now or item_id not in kept or _cost(kept[item_id]) != _cost(now[item_id])
    ]
    gone = [unused_line(ledger, kept[i], at_s) for i in changed if i in kept]
    come = [remaining_line(ledger, now[i], at_s) for i in changed if i in now]
    return [line for line in gone + come if line["amount"] != 0]


def _cost(item: JSONObject) -> list[object]:
    """Return all that the price of the item's current period depends on."""
    period = (item["current_period_start"], item["current_period_end"])
    return [item["price"]["id"], item["quantity"], *period]
