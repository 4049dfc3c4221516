"""A change that waits for its payment: what its page does, and what its key tells then."""

import pytest

from tests.support.market import DECLINED_LATER, GOOD, Market, Told


async def decline(market: Market) -> str:
    """Ask for the wider plan with a card that is declined, under a key; return the key."""
    await market.buy(by=DECLINED_LATER)
    subscription_id = (await market.held())["id"]
    told = await upgrade(market, subscription_id)
    assert told.problem == "payment-needed"
    return str(subscription_id)


async def upgrade(market: Market, subscription_id: str) -> Told:
    """Ask for the wider plan under one key."""
    wish = {"client_id": market.client_id, "subscription_id": subscription_id, "plan": "team"}
    return await market.ask("POST", "/subscriptions", wish, Idempotency_Key="k")


async def test_the_same_key_goes_on_asking_while_nothing_is_paid(market: Market) -> None:
    held_id = await decline(market)

    told = [await upgrade(market, held_id) for _ in range(2)]

    assert [answer.problem for answer in told] == ["payment-needed"] * 2


@pytest.mark.parametrize("is_told", [True, False])
async def test_the_same_key_tells_of_the_change_once_it_is_paid(
    market: Market, is_told: bool
) -> None:
    held_id = await decline(market)
    assert await market.portal("card", card=GOOD["card"], expiry="12 / 40", cvc="123") == 303
    if is_told:
        await market.deliver()
    else:
        market.lose_events()

    told = [await upgrade(market, held_id) for _ in range(2)]

    assert [answer.status for answer in told] == [200, 200]
    assert told[0].json["items"][0]["plan"] == "team"
    assert await market.opens("notes", "wiki") == [True, True]


async def test_the_same_key_tells_of_a_change_that_was_not_paid_in_time(market: Market) -> None:
    held_id = await decline(market)
    await market.pass_days(2)

    told = [await upgrade(market, held_id) for _ in range(2)]

    assert [answer.problem for answer in told] == ["provider-refused"] * 2
    assert await market.opens("notes", "wiki") == [True, False]


async def test_a_change_that_gave_way_to_another_leads_to_no_page(market: Market) -> None:
    held_id = await decline(market)
    market.wall.move(seconds=1)
    other = await market.change(plan="team", subscription_id=held_id)

    told = await upgrade(market, held_id)

    assert (other.problem, told.problem) == ("payment-needed", "provider-refused")


# The bank asks


async def ask_holder(market: Market) -> str:
    """Ask for the wider plan with a card whose bank asks first; return the subscription."""
    await market.buy()
    sub = await market.sub()
    asking = "pm_card_authenticationRequired"
    method = await market.stripe.post(f"payment_methods/{asking}/attach", customer=sub["customer"])
    await market.stripe.change(sub, default_payment_method=method["id"])
    return str((await market.held())["id"])


async def test_an_upgrade_is_had_once_the_cards_holder_says_yes(market: Market) -> None:
    held_id = await ask_holder(market)
    told = await upgrade(market, held_id)
    before = await market.opens("notes", "wiki")

    assert await market.submit(told.json["url"], {"outcome": "complete"}) == 303
    await market.deliver()

    assert (told.problem, before) == ("payment-needed", [True, False])
    assert await market.opens("notes", "wiki") == [True, True]
    assert (await upgrade(market, held_id)).status == 200
    paid = [bill["amount_paid"] for bill in await market.stripe.all("invoices")]
    assert paid == [500, 1400]


async def test_an_upgrade_to_which_the_cards_holder_says_no_goes_on_waiting(market: Market) -> None:
    held_id = await ask_holder(market)
    told = await upgrade(market, held_id)

    await market.submit(told.json["url"], {"outcome": "fail"})
    await market.deliver()

    again = await upgrade(market, held_id)
    assert (again.problem, again.json["url"]) == ("payment-needed", told.json["url"])
    assert await market.opens("notes", "wiki") == [True, False]


async def test_a_yes_whose_events_are_lost_is_found_by_whoever_asks_again(market: Market) -> None:
    held_id = await ask_holder(market)
    told = await upgrade(market, held_id)
    await market.submit(told.json["url"], {"outcome": "complete"})
    market.lose_events()

    assert (await upgrade(market, held_id)).status == 200
    assert await market.opens("notes", "wiki") == [True, True]
