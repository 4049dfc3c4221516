"""Buying: what a client may do with money, on a real database."""

import asyncio
from dataclasses import replace

import pytest

from billing.errors import NotFoundError, UnavailableError, UnknownPlanError
from billing.model import AlreadyHeld, CheckoutState, Hosted, Settling
from policies.decision import Outcome
from tests.integration.billing.conftest import Shop


async def test_payment_opens_the_door_at_the_next_read(shop: Shop) -> None:
    before = await shop.outcome()

    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)
    returned = await shop.checkout.finish(session_id)

    assert before is Outcome.PAY
    assert returned is not None
    assert returned.state is CheckoutState.PAID
    assert (returned.host, returned.target) == ("notes.localhost", "/page?x=1")
    assert await shop.outcome() is Outcome.ALLOW


async def test_return_without_paying_opens_nothing(shop: Shop) -> None:
    session_id = await shop.open_checkout()

    returned = await shop.checkout.finish(session_id)

    assert returned is not None
    assert returned.state is CheckoutState.OPEN
    assert await shop.outcome() is Outcome.PAY


async def test_unknown_session_is_nobodys(shop: Shop) -> None:
    assert await shop.checkout.finish("cs_made_up") is None


async def test_clicking_twice_at_once_opens_one_checkout(shop: Shop) -> None:
    first, second = await asyncio.gather(shop.open_checkout(), shop.open_checkout())

    assert first == second
    assert len(shop.provider.checkouts) == 1


async def test_second_tab_returns_to_the_page_asked_for_last(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    again = await shop.checkout.begin(
        shop.client_id, "reader", return_host="notes.localhost", return_to="/later"
    )
    shop.provider.pay(session_id)

    returned = await shop.checkout.finish(session_id)

    assert isinstance(again, Hosted)
    assert returned is not None
    assert returned.target == "/later"


async def test_held_plan_is_not_sold_again(shop: Shop) -> None:
    await shop.buy()

    again = await shop.checkout.begin(
        shop.client_id, "reader", return_host="notes.localhost", return_to="/"
    )

    assert isinstance(again, AlreadyHeld)
    assert len(shop.provider.checkouts) == 1


async def test_plan_bought_for_ever_is_not_sold_again(shop: Shop) -> None:
    await shop.buy("lifetime")

    again = await shop.checkout.begin(
        shop.client_id, "lifetime", return_host="notes.localhost", return_to="/"
    )

    assert isinstance(again, AlreadyHeld)


async def test_paid_but_unreturned_checkout_is_applied_by_the_next_click(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)

    again = await shop.checkout.begin(
        shop.client_id, "reader", return_host="notes.localhost", return_to="/"
    )

    assert isinstance(again, AlreadyHeld)
    assert await shop.outcome() is Outcome.ALLOW


async def test_unknown_plan_is_refused(shop: Shop) -> None:
    with pytest.raises(UnknownPlanError):
        await shop.checkout.begin(shop.client_id, "gold", return_host="h", return_to="/")


async def test_provider_that_is_down_leaves_the_same_checkout_to_be_found(shop: Shop) -> None:
    shop.provider.is_down = True
    with pytest.raises(UnavailableError):
        await shop.open_checkout()

    shop.provider.is_down = False
    session_id = await shop.open_checkout()

    assert session_id == "cs_1"


async def test_cancelled_subscription_closes_at_period_end(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.account.subscriptions(shop.client_id)

    await shop.account.cancel(shop.client_id, held.id)
    assert await shop.outcome() is Outcome.ALLOW
    shop.clock.move(days=31)

    assert await shop.outcome() is Outcome.PAY


async def test_resumed_subscription_goes_on(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.account.subscriptions(shop.client_id)
    await shop.account.cancel(shop.client_id, held.id)

    await shop.account.resume(shop.client_id, held.id)

    (after,) = await shop.account.subscriptions(shop.client_id)
    assert after.status == "active"
    assert after.cancel_at is None


async def test_nobody_cancels_a_strangers_subscription(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.account.subscriptions(shop.client_id)
    stranger = "00000000-0000-0000-0000-000000000000"

    with pytest.raises(NotFoundError):
        await shop.account.cancel(stranger, held.id)


async def test_bought_once_stays_open_for_ever(shop: Shop) -> None:
    await shop.buy("lifetime")
    shop.clock.move(days=36_500)

    assert await shop.outcome() is Outcome.ALLOW


async def test_finishing_twice_at_once_grants_and_books_once(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)

    await asyncio.gather(shop.checkout.finish(session_id), shop.checkout.finish(session_id))

    async with shop.database.connection() as connection:
        assert await connection.fetchval("select count(*) from payments") == 1
        assert await connection.fetchval("select count(*) from grants") == 1
        assert await connection.fetchval("select version from entitlement_versions") == 1


async def test_order_is_granted_as_it_was_sold_whatever_its_price_means_by_now(shop: Shop) -> None:
    session_id = await shop.open_checkout("lifetime")
    shop.provider.pay(session_id)
    shop.checkout._catalog._by_price.pop("price_lifetime_1")

    await shop.checkout.finish(session_id)

    assert await shop.outcome() is Outcome.ALLOW


async def test_checkout_that_was_given_up_and_then_paid_is_granted(shop: Shop) -> None:
    session_id = await shop.open_checkout("lifetime")
    open_one = shop.provider.checkouts[session_id]
    shop.provider.checkouts[session_id] = replace(open_one, state=CheckoutState.EXPIRED)
    expired = await shop.checkout.finish(session_id)
    shop.provider.checkouts[session_id] = open_one
    shop.provider.pay(session_id)

    await shop.checkout.finish(session_id)

    assert expired is not None
    assert expired.state is CheckoutState.EXPIRED
    assert await shop.outcome() is Outcome.ALLOW


async def test_checkout_whose_money_is_on_its_way_is_not_opened_again(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    shop.provider.checkouts[session_id] = replace(
        shop.provider.checkouts[session_id], state=CheckoutState.SETTLING, url=None
    )

    begun = await shop.checkout.begin(
        shop.client_id, "reader", return_host="notes.localhost", return_to="/"
    )

    assert isinstance(begun, Settling)
    assert await shop.outcome() is Outcome.PAY
