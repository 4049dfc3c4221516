"""Buying at the stand-in for Stripe: what was paid for opens, and nothing else does."""

import pytest

from tests.support.market import (
    ASKING,
    DEBIT,
    DEBIT_THAT_FAILS,
    DECLINED,
    DECLINED_LATER,
    GOOD,
    Market,
)


async def test_a_paid_plan_opens_its_app_before_any_event(market: Market) -> None:
    await market.buy()

    assert await market.opens("notes", "wiki") == [True, False]


async def test_what_is_sold_carries_whose_it_is_and_by_which_gateway(market: Market) -> None:
    await market.buy()
    await market.buy("lifetime")

    marks = {"tollway_client": market.client_id, "tollway_site": "tollway.example"}
    intents = await market.stripe.all("payment_intents")
    assert (await market.sub())["metadata"] == marks
    assert intents[-1]["metadata"] == marks


async def test_a_declined_card_opens_nothing_and_the_page_stays(market: Market) -> None:
    begun = await market.begin()
    url = begun.json["checkout_url"]
    declined = await market.submit(url, DECLINED)
    await market.come_back(url)
    await market.deliver()
    shut = await market.is_open()

    again = await market.begin()

    assert (declined, shut) == (402, False)
    assert again.json["checkout_url"] == url
    assert await market.submit(url, GOOD) == 303
    await market.deliver()
    assert await market.is_open()


@pytest.mark.parametrize(("outcome", "is_open"), [("complete", True), ("fail", False)])
async def test_the_bank_s_question_decides(market: Market, outcome: str, is_open: bool) -> None:
    begun = await market.begin()
    url = begun.json["checkout_url"]
    await market.submit(url, ASKING)
    await market.come_back(url)
    before = await market.is_open()

    await market.submit(f"{url}/authenticate", {"outcome": outcome})
    await market.come_back(url)

    assert before is False
    assert await market.is_open() is is_open


@pytest.mark.parametrize(("plan", "app"), [("reader", "notes"), ("lifetime", "files")])
@pytest.mark.parametrize("means", [DEBIT, DEBIT_THAT_FAILS])
async def test_a_debit_opens_once_it_has_come(
    market: Market, plan: str, app: str, means: dict[str, str]
) -> None:
    await market.buy(plan, means)
    await market.deliver()
    early = await market.is_open(app)
    again = await market.begin(plan)

    await market.pass_days(6)

    assert early is False
    assert (again.status, again.problem) == (409, "payment-settling")
    assert await market.is_open(app) is (means == DEBIT)


async def test_a_failed_debit_is_mended_in_the_portal(market: Market) -> None:
    await market.buy(by=DEBIT_THAT_FAILS)
    await market.pass_days(6)
    again, shut = await market.begin(), await market.is_open()

    await market.mend()

    assert (again.problem, shut) == ("already-held", False)
    assert await market.is_open()


async def test_a_trial_opens_and_one_that_nobody_pays_ends(market: Market) -> None:
    await market.buy("tried", DECLINED_LATER)
    tried = await market.is_open("feed")
    sub = await market.sub()

    await market.pass_days(30)

    assert (tried, sub["trial_end"] - sub["trial_start"]) == (True, 14 * 86_400)
    assert not await market.is_open("feed")


async def test_a_trial_is_given_once(market: Market) -> None:
    await market.buy("tried")
    held = await market.held()
    await market.ask("DELETE", f"/subscriptions/{held['id']}?at_period_end=false")

    await market.buy("tried")

    assert (await market.sub())["trial_end"] is None
    assert await market.is_open("feed")


async def test_so_many_are_bought_and_paid_as_were_asked_for(market: Market) -> None:
    await market.buy("seats", quantity=3)

    held, bills = await market.held(), await market.stripe.all("invoices")
    assert held["items"][0]["quantity"] == 3
    assert bills[-1]["amount_due"] == 1500


async def test_what_is_bought_for_ever_stays_and_is_not_sold_again(market: Market) -> None:
    await market.buy("lifetime")

    await market.pass_days(3000)

    assert await market.is_open("files")
    assert (await market.begin("lifetime")).problem == "already-held"
