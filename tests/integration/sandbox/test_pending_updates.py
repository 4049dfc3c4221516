"""Upgrades whose payment is refused or awaited: pending, past due, or an error."""

import pytest
import stripe

from tests.support.stripe_account import START_S, Account, Body, exchange, prices_of

_BAD = "pm_card_chargeCustomerFail"


async def _upgrade_with_a_bad_card(account: Account, behavior: str) -> Body:
    subscription = await account.subscribe()
    await account.use_card(subscription["customer"], _BAD)
    return await account.change(
        subscription,
        items=exchange(subscription, "month_pro"),
        proration_behavior="always_invoice",
        payment_behavior=behavior,
    )


async def test_declined_upgrade_waits_for_its_payment(account: Account) -> None:
    changed = await _upgrade_with_a_bad_card(account, "pending_if_incomplete")

    assert (changed["status"], prices_of(changed)) == ("active", ["price_month"])
    (waiting,) = changed["pending_update"]["subscription_items"]
    assert waiting["price"]["id"] == "price_month_pro"
    assert changed["pending_update"]["expires_at"] == START_S + 23 * 3600


async def test_waiting_upgrade_is_applied_once_it_is_paid(account: Account) -> None:
    changed = await _upgrade_with_a_bad_card(account, "pending_if_incomplete")
    await account.use_card(changed["customer"], "pm_card_visa")

    await account.post(f"invoices/{changed['latest_invoice']}/pay")

    found = await account.read(changed)
    assert (found["pending_update"], prices_of(found)) == (None, ["price_month_pro"])
    assert "customer.subscription.pending_update_applied" in await account.event_types()


async def test_waiting_upgrade_expires(account: Account) -> None:
    changed = await _upgrade_with_a_bad_card(account, "pending_if_incomplete")

    await account.advance(1)

    found = await account.read(changed)
    invoice = await account.get(f"invoices/{changed['latest_invoice']}")
    assert (found["pending_update"], prices_of(found)) == (None, ["price_month"])
    assert invoice["status"] == "void"
    (event,) = await account.events("customer.subscription.pending_update_expired")
    assert event["created"] == START_S + 23 * 3600


async def test_waiting_upgrade_gives_way_to_the_next_change(account: Account) -> None:
    changed = await _upgrade_with_a_bad_card(account, "pending_if_incomplete")

    found = await account.change(changed, items=exchange(changed, "month_free"))

    assert (found["pending_update"], prices_of(found)) == (None, ["price_month_free"])
    assert (await account.get(f"invoices/{changed['latest_invoice']}"))["status"] == "void"


async def test_declined_upgrade_takes_place_and_is_past_due_by_itself(account: Account) -> None:
    changed = await _upgrade_with_a_bad_card(account, "allow_incomplete")

    assert (changed["status"], prices_of(changed)) == ("past_due", ["price_month_pro"])


async def test_declined_upgrade_can_be_an_error_that_changes_nothing(account: Account) -> None:
    with pytest.raises(stripe.CardError) as caught:
        await _upgrade_with_a_bad_card(account, "error_if_incomplete")

    assert caught.value.http_status == 402
    (found,) = await account.all("subscriptions")
    assert (found["status"], prices_of(found)) == ("active", ["price_month"])
    assert len(await account.all("invoices")) == 1


async def test_upgrade_that_awaits_its_payment_is_past_due_until_then(account: Account) -> None:
    subscription = await account.subscribe()
    waiting = await account.change(
        subscription,
        items=exchange(subscription, "month_pro"),
        proration_behavior="always_invoice",
        payment_behavior="default_incomplete",
    )

    await account.post(f"invoices/{waiting['latest_invoice']}/pay")

    assert (waiting["status"], prices_of(waiting)) == ("past_due", ["price_month_pro"])
    assert (await account.read(subscription))["status"] == "active"


async def test_incomplete_subscription_keeps_its_items(account: Account) -> None:
    subscription = await account.subscribe(payment_behavior="default_incomplete")

    with pytest.raises(stripe.InvalidRequestError, match="incomplete"):
        await account.change(subscription, items=exchange(subscription, "month_pro"))
