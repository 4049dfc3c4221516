"""Trials: how they begin, the notice, and how they end."""

from typing import Any

import pytest
import stripe

from tests.support.stripe_account import DAY_S, START_S, Account

_CREATED = "customer.subscription.created"


async def test_trial_costs_nothing_until_it_ends(account: Account) -> None:
    subscription = await account.subscribe(trial_period_days=14)

    (invoice,) = await account.invoices(subscription)
    assert (subscription["status"], subscription["trial_end"]) == (
        "trialing",
        START_S + 14 * DAY_S,
    )
    item = subscription["items"]["data"][0]
    assert item["current_period_end"] == subscription["trial_end"]
    assert (invoice["total"], invoice["status"]) == (0, "paid")
    assert await account.all("payment_intents") == []


async def test_trial_ends_with_the_first_paid_period(account: Account) -> None:
    subscription = await account.subscribe(trial_period_days=14)

    await account.advance(14)

    found = await account.read(subscription)
    item = found["items"]["data"][0]
    assert found["status"] == "active"
    assert found["billing_cycle_anchor"] == item["current_period_start"] == found["trial_end"]
    assert (await account.invoices(subscription))[-1]["total"] == 1000


async def test_trial_whose_card_is_declined_ends_past_due(account: Account) -> None:
    subscription = await account.subscribe(card="pm_card_chargeCustomerFail", trial_period_days=14)

    await account.advance(14)

    assert (await account.read(subscription))["status"] == "past_due"


@pytest.mark.parametrize(("days", "told_after_days"), [(14, 11), (2, 0)])
async def test_notice_comes_three_days_before_the_end(
    account: Account, days: int, told_after_days: int
) -> None:
    await account.subscribe(trial_period_days=days)

    await account.advance(days)

    (event,) = await account.events("customer.subscription.trial_will_end")
    assert event["created"] == START_S + told_after_days * DAY_S
    assert event["data"]["object"]["status"] == "trialing"


async def test_trial_that_was_prolonged_gives_one_notice_for_its_new_end(account: Account) -> None:
    subscription = await account.subscribe(trial_period_days=14)
    end_s = START_S + 30 * DAY_S

    changed = await account.post(f"subscriptions/{subscription['id']}", trial_end=end_s)
    await account.advance(29)

    (event,) = await account.events("customer.subscription.trial_will_end")
    assert event["created"] == end_s - 3 * DAY_S
    assert changed["trial_end"] == end_s
    assert changed["items"]["data"][0]["current_period_end"] == end_s


async def test_trial_can_be_ended_now(account: Account) -> None:
    subscription = await account.subscribe(trial_period_days=14)
    await account.advance(2)

    ended = await account.post(f"subscriptions/{subscription['id']}", trial_end="now")

    assert (ended["status"], ended["trial_end"]) == ("active", account.now_s())
    assert (await account.invoices(subscription))[-1]["total"] == 1000


async def test_running_subscription_can_be_put_on_trial(account: Account) -> None:
    subscription = await account.subscribe()
    end_s = START_S + 10 * DAY_S

    changed = await account.post(f"subscriptions/{subscription['id']}", trial_end=end_s)
    await account.advance(10)

    assert (changed["status"], changed["trial_start"]) == ("trialing", START_S)
    assert (await account.read(subscription))["status"] == "active"


@pytest.mark.parametrize(
    ("behavior", "status", "event"),
    [
        ("create_invoice", "past_due", "invoice.payment_failed"),
        ("pause", "paused", "customer.subscription.paused"),
        ("cancel", "canceled", "customer.subscription.deleted"),
    ],
)
async def test_trial_without_a_card_ends_as_was_chosen(
    account: Account, behavior: str, status: str, event: str
) -> None:
    subscription = await account.subscribe(
        card=None,
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": behavior}},
    )

    await account.advance(7)

    assert (await account.read(subscription))["status"] == status
    assert event in await account.event_types()


async def test_checkout_of_a_trial_needs_no_card_if_none_is_required(account: Account) -> None:
    session = await account.post(
        "checkout/sessions",
        mode="subscription",
        line_items=[{"price": "price_month", "quantity": 1}],
        success_url="https://shop.example/",
        payment_method_collection="if_required",
        subscription_data={
            "trial_period_days": 7,
            "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}},
        },
    )

    await account.visit(session["url"], card="")

    done = await account.get(f"checkout/sessions/{session['id']}", expand=["subscription"])
    subscription = done["subscription"]
    assert (done["status"], done["payment_status"]) == ("complete", "no_payment_required")
    assert (subscription["status"], subscription["default_payment_method"]) == ("trialing", None)


async def test_checkout_of_a_trial_asks_for_a_card_by_itself(account: Account) -> None:
    session = await account.post(
        "checkout/sessions",
        mode="subscription",
        line_items=[{"price": "price_month", "quantity": 1}],
        success_url="https://shop.example/",
        subscription_data={"trial_period_days": 7},
    )

    status = await account.visit(session["url"], card="")

    assert (status, session["amount_total"]) == (402, 0)


@pytest.mark.parametrize(
    "params",
    [
        {"trial_period_days": 0},
        {"trial_period_days": 731},
        {"trial_end": START_S},
        {"trial_period_days": 7, "trial_end": START_S + 7 * DAY_S},
    ],
)
async def test_trial_that_cannot_be_is_refused(account: Account, params: dict[str, Any]) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        await account.subscribe(**params)

    assert await account.events(_CREATED) == []
