"""The stand-in for Stripe fails: nothing is done twice, nothing is lost, nobody is let in."""

import pytest

from tests.support.market import GOOD, Market

FAULTS = [
    {"kind": "error", "count": 3},
    {"kind": "limit", "count": 3},
    {"kind": "cut", "count": 3},
    {"kind": "cut", "count": 1, "when": "after"},
    {"kind": "error", "count": 1, "when": "after"},
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_checkout_that_met_a_fault_is_opened_once(
    market: Market, fault: dict[str, object]
) -> None:
    await market.turn("faults", path="/v1/checkout", **fault)
    while (told := await market.begin()).status != 201:
        assert (told.status, told.problem) == (503, "try-again")

    assert len(await market.stripe.all("checkout/sessions")) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_refund_that_met_a_fault_is_given_once(
    market: Market, fault: dict[str, object]
) -> None:
    path = f"/payments/{await market.buy()}/refunds"
    await market.turn("faults", path="/v1/refunds", **fault)
    wish = {"reason": "asked for", "amount_minor": 200}
    while (told := await market.ask("POST", path, wish, Idempotency_Key="k")).status != 201:
        assert told.status in {409, 503}, told.json

    assert [refund["amount"] for refund in await market.stripe.all("refunds")] == [200]


async def test_a_wish_that_was_cut_off_does_not_take_back_a_later_one(market: Market) -> None:
    await market.buy()
    await market.turn("faults", kind="error", count=1, path="/v1/subscriptions")
    cut_off = await market.change(cancel_at_period_end=True)
    market.wall.move(seconds=1)

    resumed = await market.change(cancel_at_period_end=False)
    market.wall.move(minutes=2)
    await market.commands.resume()

    assert (cut_off.status, resumed.json["status"]) == (503, "active")
    assert (await market.held())["status"] == "active"
    assert not (await market.sub())["cancel_at_period_end"]


async def test_events_that_come_while_the_provider_is_out_open_nothing_unpaid(
    market: Market,
) -> None:
    begun = await market.begin()
    await market.submit(begun.json["checkout_url"], GOOD)
    await market.turn("faults", kind="error", count=100)
    await market.deliver()
    during = await market.is_open()

    await market.end_faults()
    market.wall.move(minutes=5)
    await market.process()

    assert during is False
    assert await market.is_open()
