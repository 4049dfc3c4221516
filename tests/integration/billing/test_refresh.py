"""Before a client is refused because time passed, its subscriptions are read once more."""

import asyncio

from billing.reconcile.refresh import Refresher
from billing.storage.due import Account
from policies.decision import Outcome
from tests.integration.billing.conftest import Shop


def make_refresher(shop: Shop) -> Refresher:
    return Refresher(shop.database, Account("memory", livemode=False), shop.applier, shop.clock)


async def lapse_and_renew(shop: Shop) -> None:
    sub_id = f"sub_{await shop.buy()}"
    shop.clock.move(days=31)
    shop.provider.renew(sub_id)


async def test_a_renewal_that_was_never_told_opens_the_door(shop: Shop) -> None:
    await lapse_and_renew(shop)
    before = await shop.outcome()

    read = await make_refresher(shop).refresh(shop.client_id)

    assert read
    assert (before, await shop.outcome()) == (Outcome.PAY, Outcome.ALLOW)


async def test_who_asks_meanwhile_is_told_only_once_all_is_read(shop: Shop) -> None:
    await lapse_and_renew(shop)
    refresher = make_refresher(shop)
    shop.provider.calls.clear()

    async def ask() -> tuple[bool, Outcome]:
        return await refresher.refresh(shop.client_id), await shop.outcome()

    answers = await asyncio.gather(*(ask() for _ in range(20)))

    assert answers == [(True, Outcome.ALLOW)] * 20
    assert shop.provider.calls.count("fetch_subscription") == 1


async def test_who_asks_again_and_again_costs_one_look(shop: Shop) -> None:
    await lapse_and_renew(shop)
    refresher = make_refresher(shop)
    shop.provider.calls.clear()

    answers = [await refresher.refresh(shop.client_id) for _ in range(3)]

    assert answers == [True, False, False]
    assert shop.provider.calls.count("fetch_subscription") == 1


async def test_a_provider_that_is_down_is_an_answer_too(shop: Shop) -> None:
    await lapse_and_renew(shop)
    shop.provider.is_down = True

    assert not await make_refresher(shop).refresh(shop.client_id)
    assert await shop.outcome() is Outcome.PAY


async def test_nobody_waits_longer_than_a_second(shop: Shop) -> None:
    await lapse_and_renew(shop)

    async with shop.provider.held(), asyncio.timeout(5):
        read = await make_refresher(shop).refresh(shop.client_id)

    assert not read
