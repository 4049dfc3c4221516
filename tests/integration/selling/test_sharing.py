"""One account for several plans, gateways, keys and versions of events."""

from dataclasses import replace

from billing.storage.pool import Database
from tests.support.market import GOOD, PLANS, READER, TEAM, Market, open_market, sell_anew
from tests.support.stripe_account import Body


async def subscribe_at_provider(market: Market, site: str, price: str = "price_reader_1") -> Body:
    """Make a second subscription of the client's customer, without us."""
    held = await market.sub()
    return await market.stripe.post(
        "subscriptions",
        customer=held["customer"],
        default_payment_method=held["default_payment_method"],
        items=[{"price": price}],
        metadata={"tollway_client": market.client_id, "tollway_site": site},
    )


async def test_plans_of_two_apps_live_and_end_apart(market: Market) -> None:
    await market.buy("reader")
    await market.buy("seats")
    both = await market.opens("notes", "chat")
    held = await market.all_held()
    notes = next(one for one in held if one["items"][0]["plan"] == "reader")

    await market.ask("DELETE", f"/subscriptions/{notes['id']}?at_period_end=false")

    assert both == [True, True]
    assert await market.opens("notes", "chat") == [False, True]


async def test_a_second_live_subscription_is_told_once_and_its_end_shuts_nothing(
    market: Market,
) -> None:
    await market.buy()
    second = await subscribe_at_provider(market, "tollway.example")
    await market.deliver()
    await market.deliver()
    told = await market.log_of("subscription.overlap")

    await market.stripe.delete(f"subscriptions/{second['id']}")
    await market.deliver()

    assert [len(alarm["subscriptions"]) for alarm in told] == [2]
    assert await market.is_open()


async def test_a_subscription_of_another_gateway_opens_nothing_here(market: Market) -> None:
    await market.buy("seats")

    await subscribe_at_provider(market, "other.example")
    await market.deliver()

    assert await market.opens("notes", "chat") == [False, True]
    assert len(await market.all_held()) == 1


async def test_whoever_pays_as_two_customers_mends_the_one_that_is_ill(market: Market) -> None:
    for begun in [await market.begin("reader"), await market.begin("seats")]:
        await market.submit(begun.json["checkout_url"], GOOD)
    subs = await market.stripe.all("subscriptions")
    last = max(subs, key=lambda sub: str(sub["customer"]))
    path = "payment_methods/pm_card_chargeCustomerFail/attach"
    failing = await market.stripe.post(path, customer=last["customer"])
    await market.stripe.change(last, default_payment_method=failing["id"])
    await market.pass_days(32)
    before = sorted(held["status"] for held in await market.all_held())

    await market.mend()

    assert len({sub["customer"] for sub in subs}) == 2
    assert before == ["active", "past_due"]
    assert {held["status"] for held in await market.all_held()} == {"active"}


async def test_thin_and_old_events_open_and_shut_like_new_ones(market: Market) -> None:
    for knobs in ({"payload": "thin"}, {"payload": "both"}, {"old_shape": True}):
        await market.turn("delivery", **knobs)
        begun = await market.begin()
        await market.submit(begun.json["checkout_url"], GOOD)
        await market.deliver()
        opened = await market.is_open()
        await market.stripe.delete(f"subscriptions/{(await market.sub())['id']}")
        await market.deliver()

        assert (opened, await market.is_open()) == (True, False), knobs


async def test_a_secret_that_is_rolled_loses_no_event(market: Market) -> None:
    await market.turn("webhook_endpoints/we_commandline", overlap_s=3600)
    begun = await market.begin()
    await market.submit(begun.json["checkout_url"], GOOD)

    (first, *_) = market.stripe.courier.sign_due(1)
    await market.deliver()

    assert first.headers["Stripe-Signature"].count("v1=") == 2
    assert await market.is_open()


async def test_whoever_bought_an_old_version_keeps_it_and_new_buyers_get_the_new(
    database: Database,
) -> None:
    newer = replace(
        READER, version=2, psp_price_id="price_reader_2", features=TEAM.features, amount_minor=700
    )
    async with open_market(database, later=(newer,)) as market:
        await market.buy()
        await market.stripe.advance(31.5)

        async with sell_anew(market, (newer, *PLANS[1:])) as anew:
            await anew.deliver()
            await anew.pass_days(31)
            old, opened = await anew.held(), await anew.opens("notes", "wiki")
            paid = [bill["amount_paid"] for bill in await anew.stripe.all("invoices")]
            anew.client_id = await anew.add_client("demo:bob")
            await anew.buy()

            assert (old["items"][0]["version"], opened, paid) == (1, [True, False], [500] * 3)
            assert (await anew.held())["items"][0]["version"] == 2
            assert await anew.opens("notes", "wiki") == [True, True]
