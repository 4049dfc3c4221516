"""Pauses at the stand-in for Stripe: what is paid stays, and what nobody pays for does not."""

import pytest

from tests.support.market import DECLINED_LATER, Market


@pytest.mark.parametrize("behavior", ["void", "keep_as_draft", "mark_uncollectible"])
async def test_a_pause_of_collection_leaves_what_is_paid_and_no_more(
    market: Market, behavior: str
) -> None:
    await market.buy()
    sub = await market.sub()

    await market.stripe.change(sub, pause_collection={"behavior": behavior})
    await market.deliver()
    seen = [await market.is_open()]
    for days in (30, 1.5, 30):
        await market.pass_days(days)
        seen.append(await market.is_open())
    await market.stripe.change(sub, pause_collection="")
    await market.deliver()

    assert seen == [True, True, False, False]
    assert await market.is_open()


async def test_a_pause_in_the_portal_shuts_with_the_month_and_its_end_opens(
    market: Market,
) -> None:
    await market.turn("portal", pause=True)
    await market.buy()
    sub = await market.sub()

    await market.portal("pause", subscription=sub["id"])
    await market.pass_days(31.5)
    paused, held = await market.is_open(), await market.held()
    await market.portal("unpause", subscription=sub["id"])
    await market.deliver()

    assert (paused, held["status"]) == (False, "paused")
    assert await market.is_open()


async def test_a_pause_of_the_subscription_itself_shuts_at_once(market: Market) -> None:
    await market.buy()
    sub = await market.sub()

    await market.stripe.post(f"subscriptions/{sub['id']}/pause", type="subscription")
    await market.deliver()

    assert (await market.held())["status"] == "paused"
    assert not await market.is_open()


async def test_bills_kept_as_drafts_use_up_no_grace_of_a_later_one(market: Market) -> None:
    await market.buy(by=DECLINED_LATER)
    sub = await market.sub()
    await market.stripe.change(sub, pause_collection={"behavior": "keep_as_draft"})
    await market.pass_days(31.5)
    await market.stripe.change(sub, pause_collection="")

    await market.pass_days(30)

    assert (await market.held())["status"] == "past_due"
    assert await market.is_open()
