"""How subscriptions end: at a time, with a period, now, or with their customer."""

import pytest
import stripe

from tests.support.stripe_account import DAY_S, START_S, Account, exchange

_BAD = "pm_card_chargeCustomerFail"


async def test_end_with_the_period_follows_the_period(account: Account) -> None:
    subscription = await account.subscribe()
    await account.change(subscription, cancel_at_period_end=True)

    changed = await account.change(subscription, items=exchange(subscription, "year"))

    assert changed["cancel_at"] == changed["items"]["data"][0]["current_period_end"]


async def test_end_at_a_time_comes_at_that_time(account: Account) -> None:
    subscription = await account.subscribe()
    end_s = START_S + 50 * DAY_S

    changed = await account.change(subscription, cancel_at=end_s)
    await account.advance(60)

    found = await account.read(subscription)
    assert (changed["cancel_at"], changed["cancel_at_period_end"]) == (end_s, False)
    assert (found["status"], found["ended_at"]) == ("canceled", end_s)


async def test_end_at_a_time_can_be_taken_back(account: Account) -> None:
    subscription = await account.subscribe(cancel_at=START_S + 50 * DAY_S)

    changed = await account.change(subscription, cancel_at="")

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

    noted = await account.change(subscription, metadata={"why": "moved"})

    assert noted["metadata"] == {"why": "moved"}
    with pytest.raises(stripe.InvalidRequestError):
        await account.change(subscription, items=exchange(subscription, "month_pro"))


async def test_cancelling_an_incomplete_subscription_voids_its_invoice(account: Account) -> None:
    subscription = await account.subscribe(payment_behavior="default_incomplete")

    ended = await account.delete(f"subscriptions/{subscription['id']}")

    assert ended["status"] == "incomplete_expired"
    assert (await account.get(f"invoices/{subscription['latest_invoice']}"))["status"] == "void"


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
