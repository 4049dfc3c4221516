"""Changes of items: their periods, what is prorated, and what is told of it."""

import pytest
import stripe

from tests.support.stripe_account import DAY_S, Account, Body, exchange, prices_of

_UPDATED = "customer.subscription.updated"


async def test_other_price_keeps_the_period_and_is_prorated_later(account: Account) -> None:
    subscription = await account.subscribe()
    await account.advance(15.5)

    changed = await account.change(subscription, items=exchange(subscription, "month_pro"))
    await account.advance(16)

    (item,) = changed["items"]["data"]
    assert item["id"] == subscription["items"]["data"][0]["id"]
    assert item["current_period_end"] == subscription["items"]["data"][0]["current_period_end"]
    # Half a month: 500 back, 1500 more, and the new month.
    invoice = (await account.invoices(subscription))[-1]
    assert [line["amount"] for line in invoice["lines"]["data"]] == [-500, 1500, 3000]


async def test_change_can_be_invoiced_at_once(account: Account) -> None:
    subscription = await account.subscribe()
    await account.advance(15.5)

    await account.change(
        subscription,
        items=exchange(subscription, "month_pro"),
        proration_behavior="always_invoice",
    )

    invoice = (await account.invoices(subscription))[-1]
    assert (invoice["billing_reason"], invoice["total"], invoice["status"]) == (
        "subscription_update",
        1000,
        "paid",
    )


async def test_change_without_proration_costs_nothing_now(account: Account) -> None:
    subscription = await account.subscribe()
    await account.advance(15)

    await account.change(
        subscription, items=exchange(subscription, "month_pro"), proration_behavior="none"
    )
    await account.advance(16)

    assert [i["total"] for i in await account.invoices(subscription)] == [1000, 3000]


async def test_what_a_downgrade_leaves_over_pays_later_invoices(account: Account) -> None:
    subscription = await account.subscribe("month_pro")

    await account.change(
        subscription,
        items=exchange(subscription, "month"),
        proration_behavior="always_invoice",
    )
    customer = await account.get(f"customers/{subscription['customer']}")
    await account.advance(31)

    renewal = (await account.invoices(subscription))[-1]
    assert customer["balance"] == -2000
    assert (renewal["total"], renewal["amount_due"], renewal["status"]) == (1000, 0, "paid")
    assert (renewal["starting_balance"], renewal["ending_balance"]) == (-2000, -1000)


async def test_balance_pays_one_of_two_drafts_only(account: Account) -> None:
    subscription = await account.subscribe("month_pro")
    await account.change(
        subscription,
        items=exchange(subscription, "month"),
        proration_behavior="always_invoice",
        pause_collection={"behavior": "keep_as_draft"},
    )
    await account.advance(100)
    drafts = await account.all("invoices", subscription=subscription["id"], status="draft")

    paid = [await account.post(f"invoices/{draft['id']}/pay") for draft in drafts]

    assert [invoice["amount_paid"] for invoice in paid] == [0, 0, 1000]
    assert (await account.get(f"customers/{subscription['customer']}"))["balance"] == 0


async def test_other_interval_begins_a_new_cycle_and_is_paid_at_once(account: Account) -> None:
    subscription = await account.subscribe()
    await account.advance(15.5)

    changed = await account.change(subscription, items=exchange(subscription, "year"))

    (item,) = changed["items"]["data"]
    assert item["current_period_start"] == changed["billing_cycle_anchor"] == account.now_s()
    assert item["current_period_end"] == account.now_s() + 365 * DAY_S
    invoice = (await account.invoices(subscription))[-1]
    assert (invoice["total"], invoice["status"]) == (9500, "paid")


async def test_quantity_is_prorated(account: Account) -> None:
    subscription = await account.subscribe()

    changed = await account.change(
        subscription,
        items=[{"id": subscription["items"]["data"][0]["id"], "quantity": 3}],
        proration_behavior="always_invoice",
    )

    assert changed["items"]["data"][0]["quantity"] == 3
    assert (await account.invoices(subscription))[-1]["total"] == 2000


async def test_item_is_added_in_step_with_the_others(account: Account) -> None:
    subscription = await account.subscribe()
    await account.advance(15.5)

    changed = await account.change(subscription, items=[{"price": "price_month_pro"}])

    first, second = changed["items"]["data"]
    assert second["current_period_start"] == account.now_s()
    assert second["current_period_end"] == first["current_period_end"]


async def test_item_is_deleted(account: Account) -> None:
    subscription = await account.subscribe("month", "month_pro")
    item = subscription["items"]["data"][0]

    changed = await account.change(subscription, items=[{"id": item["id"], "deleted": True}])

    assert prices_of(changed) == ["price_month_pro"]
    listed = await account.all("subscription_items", subscription=subscription["id"])
    assert [one["id"] for one in listed] == [changed["items"]["data"][0]["id"]]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"id": "si_nowhere"}, "No such subscription_item"),
        ({"price": "price_nowhere"}, "No such price"),
        ({"price": "price_once"}, "one_time"),
        ({"price": "price_month"}, "same price"),
        ({"price": "price_week"}, "whole multiples"),
        ({"quantity": 2}, r"items\[0\]\[price\]"),
    ],
    ids=str,
)
async def test_items_that_cannot_be_are_refused(account: Account, item: Body, message: str) -> None:
    subscription = await account.subscribe()

    with pytest.raises(stripe.InvalidRequestError, match=message):
        await account.change(subscription, items=[item])

    assert await account.read(subscription) == subscription


async def test_last_item_cannot_be_deleted(account: Account) -> None:
    subscription = await account.subscribe()
    item = subscription["items"]["data"][0]

    with pytest.raises(stripe.InvalidRequestError, match="at least one"):
        await account.change(subscription, items=[{"id": item["id"], "deleted": True}])


async def test_update_is_told_once_with_all_former_values(account: Account) -> None:
    subscription = await account.subscribe()

    await account.change(
        subscription,
        items=exchange(subscription, "month_pro"),
        metadata={"tier": "pro"},
        cancel_at_period_end=True,
    )

    (event,) = await account.events(_UPDATED)
    assert event["data"]["previous_attributes"].keys() == {
        "cancel_at",
        "cancel_at_period_end",
        "canceled_at",
        "cancellation_details",
        "items",
        "metadata",
    }
    assert event["data"]["previous_attributes"]["items"] == subscription["items"]


async def test_update_that_changes_nothing_is_not_told(account: Account) -> None:
    subscription = await account.subscribe()

    await account.change(subscription, items=exchange(subscription, "month"), metadata={})

    assert await account.events(_UPDATED) == []
