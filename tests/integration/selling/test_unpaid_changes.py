"""A change that waits for its payment, asked for again under the same key."""

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
