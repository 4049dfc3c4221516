"""Another plan, number or end at the stand-in for Stripe: what is dearer is paid for first."""

import pytest

from tests.support.market import DECLINED_LATER, Market
from tests.support.stripe_account import DAY_S


async def change_at_provider(market: Market, plan: str) -> None:
    """Change the plan as the provider's dashboard does it: at once, and billed afterwards."""
    sub = await market.sub()
    item = {"id": sub["items"]["data"][0]["id"], "price": f"price_{plan}_1"}
    await market.stripe.change(
        sub,
        items=[item],
        proration_behavior="always_invoice",
        payment_behavior="allow_incomplete",
    )
    await market.deliver()


async def test_an_upgrade_opens_more_once_its_difference_is_paid(market: Market) -> None:
    await market.buy()

    told = await market.change(plan="team")

    assert told.status == 200, told.json
    assert await market.opens("notes", "wiki") == [True, True]
    assert (await market.stripe.all("invoices"))[-1]["amount_paid"] == 1400


async def test_a_declined_upgrade_holds_once_it_is_paid_and_not_before(market: Market) -> None:
    await market.buy(by=DECLINED_LATER)

    told = await market.change(plan="team")
    await market.deliver()
    before, held = await market.opens("notes", "wiki"), await market.held()
    await market.mend()

    assert (told.status, told.problem) == (402, "payment-needed")
    assert (before, held["items"][0]["plan"]) == ([True, False], "reader")
    assert await market.opens("notes", "wiki") == [True, True]


async def test_an_upgrade_that_nobody_pays_is_off_and_what_was_paid_stays(market: Market) -> None:
    await market.buy(by=DECLINED_LATER)
    await market.change(plan="team")

    await market.pass_days(2)

    assert await market.opens("notes", "wiki") == [True, False]
    assert (await market.held())["status"] == "active"


async def test_a_cheaper_plan_holds_at_once_and_the_rest_pays_the_next_bills(
    market: Market,
) -> None:
    await market.buy("team")

    told = await market.change(plan="reader")
    at_once = await market.opens("notes", "wiki")
    await market.pass_days(31.5)

    assert (told.status, at_once) == (200, [True, False])
    assert (await market.stripe.all("invoices"))[-1]["total"] == 500 - 1400
    assert await market.is_open()


async def test_back_and_forth_within_a_month_costs_nothing_more(market: Market) -> None:
    await market.buy("team")
    await market.change(plan="reader")

    told = await market.change(plan="team")

    paid = sum(bill["amount_paid"] for bill in await market.stripe.all("invoices"))
    assert (told.status, paid) == (200, 1900)
    assert await market.opens("notes", "wiki") == [True, True]


async def test_more_and_fewer_are_changes_and_too_many_are_refused(market: Market) -> None:
    await market.buy("seats", quantity=2)

    told = [await market.change(quantity=number) for number in (5, 6, 1)]

    assert [answer.status for answer in told] == [200, 409, 200]
    assert (await market.held())["items"][0]["quantity"] == 1


async def test_a_plan_changed_by_its_provider_is_not_had_for_the_old_money(market: Market) -> None:
    await market.turn("account", dunning_end="unpaid")
    await market.buy("yearly", DECLINED_LATER)

    await change_at_provider(market, "yearly-team")
    seen = [await market.opens("notes", "wiki")]
    for days in (1, 20, 200):
        await market.pass_days(days)
        seen.append(await market.opens("notes", "wiki"))

    assert (await market.held())["status"] == "unpaid"
    assert seen == [[True, False]] * 4


async def test_a_plan_changed_by_its_provider_is_had_once_it_is_paid(market: Market) -> None:
    await market.buy("yearly", DECLINED_LATER)
    await change_at_provider(market, "yearly-team")

    await market.mend()

    assert await market.opens("notes", "wiki") == [True, True]


async def test_whoever_disputes_an_upgrade_is_left_with_what_the_month_paid_for(
    market: Market,
) -> None:
    await market.buy("yearly")
    await market.change(plan="yearly-team")

    await market.stripe.ask("post", "/_sandbox/disputes", charge=await market.latest_charge())
    await market.deliver()

    assert await market.opens("notes", "wiki") == [True, False]


# Ends


async def test_a_cancelled_subscription_opens_to_its_end_and_is_sold_again(market: Market) -> None:
    await market.buy()

    told = await market.change(cancel_at_period_end=True)
    running = await market.begin()
    await market.pass_days(30)
    last_day = await market.is_open()
    await market.pass_days(2)

    assert (told.json["status"], running.problem, last_day) == ("canceling", "already-held", True)
    assert not await market.is_open()
    assert (await market.begin()).status == 201


async def test_an_end_that_no_event_told_of_keeps_nobody_from_buying_again(market: Market) -> None:
    await market.buy()
    await market.change(cancel_at_period_end=True)

    await market.stripe.advance(32)
    market.lose_events()

    assert not await market.is_open()
    assert (await market.begin()).status == 201


async def test_a_payment_that_no_event_told_of_lets_its_client_in_that_asks(
    market: Market,
) -> None:
    await market.turn("account", dunning_end="unpaid")
    await market.buy(by=DECLINED_LATER)
    await market.pass_days(60)
    await market.portal("card", card="4242 4242 4242 4242", expiry="12 / 40", cvc="123")
    await market.stripe.post(f"invoices/{(await market.sub())['latest_invoice']}/pay")
    market.lose_events()
    before = await market.is_open()

    told = await market.begin()

    assert (before, told.problem) == (False, "already-held")
    assert await market.is_open()


async def test_a_subscription_ended_now_shuts_now(market: Market) -> None:
    await market.buy()
    held = await market.held()

    told = await market.ask("DELETE", f"/subscriptions/{held['id']}?at_period_end=false")

    assert (told.status, told.json["status"]) == (200, "ended")
    assert not await market.is_open()
    assert (await market.begin()).status == 201


@pytest.mark.parametrize("by", ["us", "portal", "date"])
async def test_whatever_cancelled_it_a_subscription_is_resumed(market: Market, by: str) -> None:
    await market.buy()
    sub = await market.sub()
    if by == "us":
        await market.change(cancel_at_period_end=True)
    elif by == "portal":
        await market.portal("cancel", subscription=sub["id"])
    else:
        await market.stripe.change(sub, cancel_at=market.stripe.now_s() + 10 * DAY_S)
    await market.deliver()
    before = (await market.held())["status"]

    told = await market.change(cancel_at_period_end=False)
    await market.pass_days(31.5)

    assert (before, told.json["status"]) == ("canceling", "active")
    assert await market.is_open()


async def test_a_cancelled_trial_ends_with_its_day_though_no_event_comes(market: Market) -> None:
    await market.buy("tried")
    await market.change(cancel_at_period_end=True)
    again = await market.begin("tried")

    await market.stripe.advance(14.05)
    market.lose_events()

    assert "resume" in again.json["detail"]
    assert not await market.is_open("feed")


async def test_a_contract_of_a_year_paid_by_the_month_is_open_while_it_is_renewed(
    market: Market,
) -> None:
    await market.buy()
    sub = await market.sub()
    await market.stripe.change(sub, cancel_at=market.stripe.now_s() + 365 * DAY_S)
    await market.deliver()
    end_s = sub["items"]["data"][0]["current_period_end"]

    # The renewal's events are on their way.
    await market.stripe.advance((end_s - market.stripe.now_s()) / DAY_S + 0.01)
    held = await market.held()
    within = await market.is_open()
    await market.deliver()

    assert (held["status"], within) == ("canceling", True)
    assert await market.is_open()


async def test_set_to_none_of_it_an_item_opens_nothing_until_it_is_one_again(
    market: Market,
) -> None:
    await market.buy("seats")
    sub = await market.sub()
    item = {"id": sub["items"]["data"][0]["id"], "quantity": 0}
    await market.stripe.change(sub, items=[item])
    await market.deliver()
    shut, told = await market.is_open("chat"), await market.begin("seats")

    await market.change(quantity=1)

    assert (shut, told.problem) == (False, "already-held")
    assert await market.is_open("chat")
