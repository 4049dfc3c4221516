"""Payments as they are told, and money given back."""

import asyncio

import pytest

from billing.errors import NotFoundError, NotPossibleError, ProviderRefusedError, UnavailableError
from billing.facts import DisputeState
from billing.model import Cause, Source
from billing.views import PaymentStatus, PaymentView
from policies.decision import Outcome
from tests.integration.billing.conftest import Shop

CAUSE = Cause(Source.ADMIN, "api:test")


async def only(shop: Shop) -> PaymentView:
    (found,) = (await shop.payments.list_payments(client_id=shop.client_id)).payments
    return found


async def test_payment_keeps_its_id_from_the_open_page_to_the_refund(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    opened = await only(shop)
    shop.provider.pay(session_id)
    await shop.checkout.finish(session_id)
    paid = await only(shop)
    await shop.refunds.refund(paid.id, 200, "", CAUSE)
    partly = await only(shop)
    await shop.refunds.refund(paid.id, None, "", CAUSE)
    refunded = await only(shop)

    told = [opened, paid, partly, refunded]
    assert len({view.id for view in told}) == 1
    assert [view.status for view in told] == [
        PaymentStatus.OPEN,
        PaymentStatus.PAID,
        PaymentStatus.PARTIALLY_REFUNDED,
        PaymentStatus.REFUNDED,
    ]
    assert [bool(view.checkout_url) for view in told] == [True, False, False, False]
    assert [view.refunded_minor for view in told] == [0, 0, 200, 500]
    assert paid.subscription_id is not None
    assert opened.amount_minor == 500


async def test_renewal_is_a_payment_of_its_own(shop: Shop) -> None:
    session_id = await shop.buy()
    shop.clock.move(days=30)
    shop.provider.renew(f"sub_{session_id}")
    await shop.see(f"subscription:sub_{session_id}")

    page = await shop.payments.list_payments(client_id=shop.client_id)

    renewal, first = page.payments
    assert (renewal.plan, renewal.status) == ("reader", PaymentStatus.PAID)
    assert renewal.subscription_id == first.subscription_id
    assert await shop.payments.find_payment(renewal.id) == renewal


async def test_disputed_payment_says_so(shop: Shop) -> None:
    session_id = await shop.buy()
    shop.provider.dispute(f"pay_{session_id}", DisputeState.OPEN)
    await shop.see(f"payment:pay_{session_id}")

    assert (await only(shop)).status is PaymentStatus.DISPUTED


async def test_pages_of_payments_follow_each_other_without_gap(shop: Shop) -> None:
    for plan in ("reader", "seats", "tried", "lifetime"):
        await shop.open_checkout(plan)
    seen: list[str | None] = []
    cursor = None

    while True:
        page = await shop.payments.list_payments(cursor=cursor, limit=3)
        seen += [view.plan for view in page.payments]
        cursor = page.cursor
        if cursor is None:
            break

    assert sorted(str(plan) for plan in seen) == ["lifetime", "reader", "seats", "tried"]


async def test_payments_for_an_app_are_those_of_plans_that_give_it(shop: Shop) -> None:
    await shop.open_checkout("seats")
    await shop.open_checkout("reader")

    page = await shop.payments.list_payments(app_id="chat")

    assert [view.plan for view in page.payments] == ["seats"]


@pytest.mark.parametrize("cursor", ["", "x", "1.x", f"{'9' * 30}.x", "-1.y", "1"])
async def test_made_up_cursor_is_refused(shop: Shop, cursor: str) -> None:
    with pytest.raises(NotFoundError):
        await shop.payments.list_payments(cursor=cursor)


async def test_made_up_id_is_nobody_s_payment(shop: Shop) -> None:
    assert await shop.payments.find_payment("made up") is None


async def test_full_refund_shuts_the_door(shop: Shop) -> None:
    await shop.buy()

    given = await shop.refunds.refund((await only(shop)).id, None, "asked for", CAUSE)

    assert given.amount_minor == 500
    assert await shop.outcome() is Outcome.PAY


async def test_more_than_is_left_is_refused_before_anybody_is_asked(shop: Shop) -> None:
    await shop.buy()
    paid = await only(shop)
    await shop.refunds.refund(paid.id, 300, "", CAUSE)

    with pytest.raises(NotPossibleError, match="200 eur are left"):
        await shop.refunds.refund(paid.id, 201, "", CAUSE)

    assert shop.provider.calls.count("refund") == 1


@pytest.mark.parametrize("amount_minor", [0, -1])
async def test_nothing_cannot_be_given_back(shop: Shop, amount_minor: int) -> None:
    await shop.buy()

    with pytest.raises(NotPossibleError):
        await shop.refunds.refund((await only(shop)).id, amount_minor, "", CAUSE)


async def test_refunds_at_once_never_give_back_more_than_was_paid(shop: Shop) -> None:
    session_id = await shop.buy()
    paid = await only(shop)

    given = await asyncio.gather(
        *(shop.refunds.refund(paid.id, 200, "", CAUSE) for _ in range(4)), return_exceptions=True
    )

    assert shop.provider.payments[f"pay_{session_id}"].refunded_minor <= 500
    assert "refund" in shop.provider.calls
    assert all(not isinstance(one, ProviderRefusedError) for one in given)


async def test_the_same_key_gives_back_once(shop: Shop) -> None:
    await shop.buy()
    paid = await only(shop)

    first = await shop.refunds.refund(paid.id, None, "", CAUSE, key="k")
    second = await shop.refunds.refund(paid.id, None, "", CAUSE, key="k")

    assert first == second
    assert shop.provider.calls.count("refund") == 1


async def test_refund_under_way_counts_as_given(shop: Shop) -> None:
    await shop.buy()
    paid = await only(shop)
    asking = shop.provider.refund

    async def stay_silent(*_args: object, **_kwargs: object) -> str:
        raise UnavailableError("no answer")

    shop.provider.refund = stay_silent  # type: ignore[method-assign] # a provider that hangs
    with pytest.raises(UnavailableError):
        await shop.refunds.refund(paid.id, 400, "", CAUSE)
    shop.provider.refund = asking  # type: ignore[method-assign] # as it was

    with pytest.raises(NotPossibleError, match="100 eur are left"):
        await shop.refunds.refund(paid.id, 200, "", CAUSE)


async def test_unpaid_checkout_has_nothing_to_give_back(shop: Shop) -> None:
    await shop.open_checkout()

    with pytest.raises(NotPossibleError):
        await shop.refunds.refund((await only(shop)).id, None, "", CAUSE)


async def test_unknown_payment_is_not_found(shop: Shop) -> None:
    with pytest.raises(NotFoundError):
        await shop.refunds.refund("00000000-0000-0000-0000-000000000000", None, "", CAUSE)
