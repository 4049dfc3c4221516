"""Nothing is sold twice: other quantities, caller's keys, races, and what is held already."""

import asyncio
from dataclasses import replace

import pytest

from billing.errors import KeyConflictError, NotFoundError, NotPossibleError, UnavailableError
from billing.model import AlreadyHeld, CheckoutState, Hosted, Remedy, Settling
from policies.model import SubscriptionStatus
from tests.integration.billing.conftest import Shop

Begun = Hosted | AlreadyHeld | Settling


async def begin(
    shop: Shop, plan: str = "reader", *, quantity: int = 1, key: str | None = None
) -> Begun:
    return await shop.checkout.begin(
        shop.client_id, plan, return_host="h", return_to="/", quantity=quantity, key=key
    )


def open_pages(shop: Shop) -> list[str]:
    """Return the sessions on which somebody could pay now."""
    return [
        session.psp_session_id
        for session in shop.provider.checkouts.values()
        if session.state is CheckoutState.OPEN
    ]


async def test_another_quantity_closes_the_page_of_the_first(shop: Shop) -> None:
    await begin(shop, "seats", quantity=1)

    second = await begin(shop, "seats", quantity=3)

    assert isinstance(second, Hosted)
    assert open_pages(shop) == ["cs_2"]
    assert shop.provider.orders["cs_2"].quantity == 3


async def test_page_that_was_paid_before_it_could_be_closed_is_what_was_bought(shop: Shop) -> None:
    await begin(shop, "seats", quantity=1)
    shop.provider.pay("cs_1")

    second = await begin(shop, "seats", quantity=1)

    assert isinstance(second, AlreadyHeld)
    assert len(shop.provider.checkouts) == 1


async def test_page_paid_in_one_number_leads_who_wants_more_to_a_change(shop: Shop) -> None:
    await begin(shop, "seats", quantity=1)
    shop.provider.pay("cs_1")
    await shop.checkout.finish("cs_1")

    second = await begin(shop, "seats", quantity=3)

    assert isinstance(second, AlreadyHeld)
    assert second.remedy is Remedy.CHANGE


@pytest.mark.parametrize("quantity", [0, -1, 6])
async def test_number_that_is_not_sold_is_refused(shop: Shop, quantity: int) -> None:
    with pytest.raises(NotPossibleError):
        await begin(shop, "seats", quantity=quantity)


async def test_clicks_at_once_for_different_numbers_leave_no_two_pages_open(shop: Shop) -> None:
    begun = await asyncio.gather(
        *(begin(shop, "seats", quantity=number) for number in (1, 2, 3, 1, 2, 3)),
        return_exceptions=True,
    )

    assert all(isinstance(one, Hosted | UnavailableError) for one in begun)
    # All may have closed each other's; whoever clicks again then gets one.
    assert len(open_pages(shop)) <= 1
    assert isinstance(await begin(shop, "seats", quantity=3), Hosted)
    assert len(open_pages(shop)) == 1


async def test_the_same_key_finds_the_same_checkout(shop: Shop) -> None:
    first, second = await begin(shop, key="k"), await begin(shop, key="k")

    assert first == second


async def test_the_same_key_for_another_plan_is_a_conflict(shop: Shop) -> None:
    await begin(shop, key="k")

    with pytest.raises(KeyConflictError):
        await begin(shop, "lifetime", key="k")


async def test_the_same_key_for_another_number_is_a_conflict(shop: Shop) -> None:
    await begin(shop, "seats", key="k")

    with pytest.raises(KeyConflictError):
        await begin(shop, "seats", quantity=2, key="k")


async def test_a_key_that_has_bought_never_buys_again(shop: Shop) -> None:
    await begin(shop, key="k")
    shop.provider.pay("cs_1")
    await shop.checkout.finish("cs_1")
    shop.provider.end("sub_cs_1")
    await shop.see("subscription:sub_cs_1")

    again, anew = await begin(shop, key="k"), await begin(shop, key="other")

    assert isinstance(again, AlreadyHeld)
    assert isinstance(anew, Hosted)


async def test_stranger_s_key_is_another_key(shop: Shop) -> None:
    async with shop.database.transaction() as connection:
        other = await connection.fetchval(
            "insert into clients (external_id) values ('demo:bob') returning id::text"
        )
    await begin(shop, key="k")

    begun = await shop.checkout.begin(other, "lifetime", return_host="h", return_to="/", key="k")

    assert isinstance(begun, Hosted)


async def test_nobody_cannot_buy(shop: Shop) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"

    with pytest.raises(NotFoundError):
        await shop.checkout.begin(nobody, "reader", return_host="h", return_to="/")


async def test_click_while_the_payment_is_applied_does_not_buy_again(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)

    begun = await asyncio.gather(
        shop.checkout.finish(session_id), begin(shop), begin(shop), begin(shop)
    )

    assert all(isinstance(one, AlreadyHeld) for one in begun[1:])
    assert list(shop.provider.checkouts) == [session_id]


async def test_completed_checkout_whose_subscription_is_not_read_yet_is_read_first(
    shop: Shop,
) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)
    async with shop.database.transaction() as connection:
        await connection.execute(
            "update checkout_intents set state = 'completed', psp_sub_id = $1",
            f"sub_{session_id}",
        )

    begun = await begin(shop)

    assert isinstance(begun, AlreadyHeld)
    assert list(shop.provider.subscriptions) == [f"sub_{session_id}"]


async def test_page_that_was_never_answered_is_asked_for_with_the_same_words(shop: Shop) -> None:
    shop.provider.is_down = True
    with pytest.raises(UnavailableError):
        await begin(shop)
    async with shop.database.transaction() as connection:
        await connection.execute(
            "insert into psp_customers (psp, livemode, psp_id, client_id)"
            " values ('memory', false, 'cus_late', $1::text::uuid)",
            shop.client_id,
        )
    shop.provider.is_down = False

    await begin(shop)

    assert shop.provider.orders["cs_1"].psp_customer_id is None


async def test_key_that_the_provider_has_forgotten_is_not_used_again(shop: Shop) -> None:
    shop.provider.is_down = True
    with pytest.raises(UnavailableError):
        await begin(shop)
    async with shop.database.connection() as connection:
        old_key = await connection.fetchval("select idempotency_key from checkout_intents")
    shop.provider.is_down = False
    shop.clock.move(hours=24)

    await begin(shop)

    assert shop.provider.orders["cs_1"].idempotency_key != old_key


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (SubscriptionStatus.PAST_DUE, Remedy.MEND),
        (SubscriptionStatus.UNPAID, Remedy.MEND),
        (SubscriptionStatus.PAUSED, Remedy.MEND),
        (SubscriptionStatus.CANCELING, Remedy.RESUME),
    ],
)
async def test_plan_whose_subscription_is_ill_leads_to_its_remedy(
    shop: Shop, status: SubscriptionStatus, remedy: Remedy
) -> None:
    session_id = await shop.buy()
    shop.provider.change(f"sub_{session_id}", status=status)
    await shop.see(f"subscription:sub_{session_id}")

    begun = await begin(shop)

    assert isinstance(begun, AlreadyHeld)
    assert begun.remedy is remedy


async def test_wider_plan_is_a_change_of_the_one_that_runs(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.changes.list_views(shop.client_id)

    begun = await begin(shop, "team")

    assert begun == AlreadyHeld(shop.team, Remedy.CHANGE, held.id)


async def test_trial_is_given_once(shop: Shop) -> None:
    session_id = await shop.buy("tried")
    shop.provider.end(f"sub_{session_id}")
    await shop.see(f"subscription:sub_{session_id}")

    await begin(shop, "tried")

    assert [order.trial_days for order in shop.provider.orders.values()] == [14, 0]


async def test_debit_that_failed_lets_the_client_buy_again(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    shop.provider.checkouts[session_id] = replace(
        shop.provider.checkouts[session_id], state=CheckoutState.FAILED, url=None
    )

    begun = await begin(shop)

    assert isinstance(begun, Hosted)
    assert open_pages(shop) == ["cs_2"]
