"""Subscriptions of several items: each item has a period of its own."""

import pytest
import stripe

from tests.support.stripe_account import DAY_S, START_S, Account, Body


def _periods(subscription: Body) -> dict[str, tuple[int, int]]:
    """Return the items' periods by price, in whole days since the start."""
    return {
        item["price"]["id"]: (
            (item["current_period_start"] - START_S) // DAY_S,
            (item["current_period_end"] - START_S) // DAY_S,
        )
        for item in subscription["items"]["data"]
    }


async def test_items_of_a_month_and_a_year_have_their_own_periods(account: Account) -> None:
    subscription = await account.subscribe("month", "year")

    assert subscription["status"] == "active"
    assert _periods(subscription) == {"price_month": (0, 31), "price_year": (0, 365)}


async def test_only_the_items_that_are_due_are_invoiced(account: Account) -> None:
    subscription = await account.subscribe("month", "year")

    await account.advance(32)

    first, second = await account.invoices(subscription)
    assert (first["total"], second["total"]) == (11_000, 1000)
    assert second["billing_reason"] == "subscription_cycle"
    (line,) = second["lines"]["data"]
    month = (await account.read(subscription))["items"]["data"][0]
    assert line["parent"]["subscription_item_details"]["subscription_item"] == month["id"]
    assert line["period"] == {
        "start": month["current_period_start"],
        "end": month["current_period_end"],
    }


async def test_items_that_are_due_together_share_an_invoice(account: Account) -> None:
    subscription = await account.subscribe("month", "year")

    await account.advance(366)

    invoices = await account.invoices(subscription)
    assert [invoice["total"] for invoice in invoices] == [11_000, *[1000] * 11, 11_000]
    assert _periods(await account.read(subscription)) == {
        "price_month": (365, 396),
        "price_year": (365, 731),
    }


async def test_several_invoices_may_be_open_at_once(account: Account) -> None:
    await account.ask("post", "/_sandbox/account", dunning_end="past_due")
    subscription = await account.subscribe("month", "year")
    await account.use_card(subscription["customer"], "pm_card_chargeCustomerFail")

    await account.advance(70)

    assert (await account.read(subscription))["status"] == "past_due"
    open_ones = await account.all("invoices", subscription=subscription["id"], status="open")
    assert len(open_ones) == 2


async def test_end_with_the_period_is_the_earliest_item_s_end(account: Account) -> None:
    subscription = await account.subscribe("month", "year")

    changed = await account.post(f"subscriptions/{subscription['id']}", cancel_at_period_end=True)

    assert changed["cancel_at"] == subscription["items"]["data"][0]["current_period_end"]


async def test_end_can_be_put_at_the_latest_item_s_end(account: Account) -> None:
    subscription = await account.subscribe("month", "year")

    changed = await account.post(f"subscriptions/{subscription['id']}", cancel_at="max_period_end")
    await account.advance(364)
    before = await account.read(subscription)
    await account.advance(1)

    assert changed["cancel_at"] == subscription["items"]["data"][1]["current_period_end"]
    assert not changed["cancel_at_period_end"]
    assert before["status"] == "active"
    after = await account.read(subscription)
    assert (after["status"], after["ended_at"]) == ("canceled", changed["cancel_at"])


async def test_intervals_that_are_no_multiples_are_refused(account: Account) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="whole multiples"):
        await account.subscribe("month", "week")
