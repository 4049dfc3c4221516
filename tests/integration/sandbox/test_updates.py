"""Changes of a subscription: items, prorations, payment first, and the end."""

from typing import Any

import pytest
import stripe

from tests.support.stripe_account import DAY_S, START_S, Account, Body

_BAD = "pm_card_chargeCustomerFail"
_UPDATED = "customer.subscription.updated"


async def _change(account: Account, subscription: Body, **params: Any) -> Body:  # Any: parameters
    return await account.post(f"subscriptions/{subscription['id']}", **params)


def _to(subscription: Body, price: str, **fields: Any) -> list[Body]:  # Any: parameters
    item = subscription["items"]["data"][0]
    return [{"id": item["id"], "price": f"price_{price}", **fields}]


def _prices(subscription: Body) -> list[str]:
    return [item["price"]["id"] for item in subscription["items"]["data"]]


async def test_other_price_keeps_the_period_and_is_prorated_later(account: Account) -> None:
    subscription = await account.subscribe()
    await account.advance(15.5)

    changed = await _change(account, subscription, items=_to(subscription, "month_pro"))
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

    await _change(
        account,
        subscription,
        items=_to(subscription, "month_pro"),
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

    await _change(
        account, subscription, items=_to(subscription, "month_pro"), proration_behavior="none"
    )
    await account.advance(16)

    assert [i["total"] for i in await account.invoices(subscription)] == [1000, 3000]


async def test_what_a_downgrade_leaves_over_pays_later_invoices(account: Account) -> None:
    subscription = await account.subscribe("month_pro")

    await _change(
        account,
        subscription,
        items=_to(subscription, "month"),
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
    await _change(
        account,
        subscription,
        items=_to(subscription, "month"),
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

    changed = await _change(account, subscription, items=_to(subscription, "year"))

    (item,) = changed["items"]["data"]
    assert item["current_period_start"] == changed["billing_cycle_anchor"] == account.now_s()
    assert item["current_period_end"] == account.now_s() + 365 * DAY_S
    invoice = (await account.invoices(subscription))[-1]
    assert (invoice["total"], invoice["status"]) == (9500, "paid")


async def test_quantity_is_prorated(account: Account) -> None:
    subscription = await account.subscribe()

    changed = await _change(
        account,
        subscription,
        items=[{"id": subscription["items"]["data"][0]["id"], "quantity": 3}],
        proration_behavior="always_invoice",
    )

    assert changed["items"]["data"][0]["quantity"] == 3
    assert (await account.invoices(subscription))[-1]["total"] == 2000


async def test_item_is_added_in_step_with_the_others(account: Account) -> None:
    subscription = await account.subscribe()
    await account.advance(15.5)

    changed = await _change(account, subscription, items=[{"price": "price_month_pro"}])

    first, second = changed["items"]["data"]
    assert second["current_period_start"] == account.now_s()
    assert second["current_period_end"] == first["current_period_end"]


async def test_item_is_deleted(account: Account) -> None:
    subscription = await account.subscribe("month", "month_pro")
    item = subscription["items"]["data"][0]

    changed = await _change(account, subscription, items=[{"id": item["id"], "deleted": True}])

    assert _prices(changed) == ["price_month_pro"]
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
        await _change(account, subscription, items=[item])

    assert await account.read(subscription) == subscription


async def test_last_item_cannot_be_deleted(account: Account) -> None:
    subscription = await account.subscribe()
    item = subscription["items"]["data"][0]

    with pytest.raises(stripe.InvalidRequestError, match="at least one"):
        await _change(account, subscription, items=[{"id": item["id"], "deleted": True}])


async def _upgrade_with_a_bad_card(account: Account, behavior: str) -> Body:
    subscription = await account.subscribe()
    await account.use_card(subscription["customer"], _BAD)
    return await _change(
        account,
        subscription,
        items=_to(subscription, "month_pro"),
        proration_behavior="always_invoice",
        payment_behavior=behavior,
    )


async def test_declined_upgrade_waits_for_its_payment(account: Account) -> None:
    changed = await _upgrade_with_a_bad_card(account, "pending_if_incomplete")

    assert (changed["status"], _prices(changed)) == ("active", ["price_month"])
    (waiting,) = changed["pending_update"]["subscription_items"]
    assert waiting["price"]["id"] == "price_month_pro"
    assert changed["pending_update"]["expires_at"] == START_S + 23 * 3600


async def test_waiting_upgrade_is_applied_once_it_is_paid(account: Account) -> None:
    changed = await _upgrade_with_a_bad_card(account, "pending_if_incomplete")
    await account.use_card(changed["customer"], "pm_card_visa")

    await account.post(f"invoices/{changed['latest_invoice']}/pay")

    found = await account.read(changed)
    assert (found["pending_update"], _prices(found)) == (None, ["price_month_pro"])
    assert "customer.subscription.pending_update_applied" in await account.event_types()


async def test_waiting_upgrade_expires(account: Account) -> None:
    changed = await _upgrade_with_a_bad_card(account, "pending_if_incomplete")

    await account.advance(1)

    found = await account.read(changed)
    invoice = await account.get(f"invoices/{changed['latest_invoice']}")
    assert (found["pending_update"], _prices(found)) == (None, ["price_month"])
    assert invoice["status"] == "void"
    (event,) = await account.events("customer.subscription.pending_update_expired")
    assert event["created"] == START_S + 23 * 3600


async def test_waiting_upgrade_gives_way_to_the_next_change(account: Account) -> None:
    changed = await _upgrade_with_a_bad_card(account, "pending_if_incomplete")

    found = await _change(account, changed, items=_to(changed, "month_free"))

    assert (found["pending_update"], _prices(found)) == (None, ["price_month_free"])
    assert (await account.get(f"invoices/{changed['latest_invoice']}"))["status"] == "void"


async def test_declined_upgrade_takes_place_and_is_past_due_by_itself(account: Account) -> None:
    changed = await _upgrade_with_a_bad_card(account, "allow_incomplete")

    assert (changed["status"], _prices(changed)) == ("past_due", ["price_month_pro"])


async def test_declined_upgrade_can_be_an_error_that_changes_nothing(account: Account) -> None:
    with pytest.raises(stripe.CardError) as caught:
        await _upgrade_with_a_bad_card(account, "error_if_incomplete")

    assert caught.value.http_status == 402
    (found,) = await account.all("subscriptions")
    assert (found["status"], _prices(found)) == ("active", ["price_month"])
    assert len(await account.all("invoices")) == 1


async def test_end_with_the_period_follows_the_period(account: Account) -> None:
    subscription = await account.subscribe()
    await _change(account, subscription, cancel_at_period_end=True)

    changed = await _change(account, subscription, items=_to(subscription, "year"))

    assert changed["cancel_at"] == changed["items"]["data"][0]["current_period_end"]


async def test_end_at_a_time_comes_at_that_time(account: Account) -> None:
    subscription = await account.subscribe()
    end_s = START_S + 50 * DAY_S

    changed = await _change(account, subscription, cancel_at=end_s)
    await account.advance(60)

    found = await account.read(subscription)
    assert (changed["cancel_at"], changed["cancel_at_period_end"]) == (end_s, False)
    assert (found["status"], found["ended_at"]) == ("canceled", end_s)


async def test_end_at_a_time_can_be_taken_back(account: Account) -> None:
    subscription = await account.subscribe(cancel_at=START_S + 50 * DAY_S)

    changed = await _change(account, subscription, cancel_at="")

    assert (changed["cancel_at"], changed["canceled_at"]) == (None, None)


async def test_cancelling_now_stops_collecting(account: Account) -> None:
    subscription = await account.subscribe()
    await account.use_card(subscription["customer"], _BAD)
    await account.advance(31)

    ended = await account.delete(
        f"subscriptions/{subscription['id']}",
        prorate=True,
        cancellation_details={"feedback": "too_expensive", "comment": "dear"},
    )
    await account.advance(31)

    assert (ended["status"], ended["ended_at"]) == ("canceled", START_S + 31 * DAY_S)
    assert ended["cancellation_details"] == {
        "comment": "dear",
        "feedback": "too_expensive",
        "reason": "cancellation_requested",
    }
    invoice = (await account.invoices(subscription))[-1]
    assert (invoice["status"], invoice["attempt_count"]) == ("open", 1)


async def test_ended_subscription_takes_notes_only(account: Account) -> None:
    subscription = await account.subscribe()
    await account.delete(f"subscriptions/{subscription['id']}")

    noted = await _change(account, subscription, metadata={"why": "moved"})

    assert noted["metadata"] == {"why": "moved"}
    with pytest.raises(stripe.InvalidRequestError):
        await _change(account, subscription, items=_to(subscription, "month_pro"))


async def test_upgrade_that_awaits_its_payment_is_past_due_until_then(account: Account) -> None:
    subscription = await account.subscribe()
    waiting = await _change(
        account,
        subscription,
        items=_to(subscription, "month_pro"),
        proration_behavior="always_invoice",
        payment_behavior="default_incomplete",
    )

    await account.post(f"invoices/{waiting['latest_invoice']}/pay")

    assert (waiting["status"], _prices(waiting)) == ("past_due", ["price_month_pro"])
    assert (await account.read(subscription))["status"] == "active"


async def test_incomplete_subscription_keeps_its_items(account: Account) -> None:
    subscription = await account.subscribe(payment_behavior="default_incomplete")

    with pytest.raises(stripe.InvalidRequestError, match="incomplete"):
        await _change(account, subscription, items=_to(subscription, "month_pro"))


async def test_cancelling_an_incomplete_subscription_voids_its_invoice(account: Account) -> None:
    subscription = await account.subscribe(payment_behavior="default_incomplete")

    ended = await account.delete(f"subscriptions/{subscription['id']}")

    assert ended["status"] == "incomplete_expired"
    assert (await account.get(f"invoices/{subscription['latest_invoice']}"))["status"] == "void"


async def test_update_is_told_once_with_all_former_values(account: Account) -> None:
    subscription = await account.subscribe()

    await _change(
        account,
        subscription,
        items=_to(subscription, "month_pro"),
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

    await _change(account, subscription, items=_to(subscription, "month"), metadata={})

    assert await account.events(_UPDATED) == []


async def test_deleted_customer_buys_nothing_more(account: Account) -> None:
    customer = await account.customer()
    checkout = {
        "mode": "payment",
        "customer": customer["id"],
        "line_items": [{"price": "price_once", "quantity": 1}],
        "success_url": "https://shop.example/",
    }
    open_one = await account.post("checkout/sessions", **checkout)

    await account.delete(f"customers/{customer['id']}")

    assert await account.visit(open_one["url"], card="4242424242424242") == 410
    for path, params in (
        ("checkout/sessions", checkout),
        ("subscriptions", {"customer": customer["id"], "items": [{"price": "price_month"}]}),
        ("payment_methods/pm_card_visa/attach", {"customer": customer["id"]}),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
            await account.post(path, **params)


async def test_deleted_customer_takes_their_subscriptions_along(account: Account) -> None:
    subscription = await account.subscribe()

    gone = await account.delete(f"customers/{subscription['customer']}")

    assert gone == {"id": subscription["customer"], "object": "customer", "deleted": True}
    assert (await account.read(subscription))["status"] == "canceled"
    assert await account.get(f"customers/{subscription['customer']}") == gone
    assert await account.all("customers") == []
    assert (await account.event_types())[-2:] == [
        "customer.subscription.deleted",
        "customer.deleted",
    ]
