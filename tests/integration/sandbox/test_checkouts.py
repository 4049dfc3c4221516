"""Checkouts: opened by the adapter, paid on the hosted page."""

import asyncio
from dataclasses import replace

import pytest

from billing.errors import ProviderRefusedError
from billing.facts import PaymentKind, PaymentState
from billing.model import CheckoutState, Plan
from tests.support.sandbox import DECLINED_CARD, MONTH, ONCE, YEAR, Shop, make_order

_PLANS = pytest.mark.parametrize("plan", [MONTH, YEAR, ONCE], ids=lambda plan: plan.interval)


@_PLANS
async def test_new_checkout_is_open_at_a_page_of_the_sandbox(shop: Shop, plan: Plan) -> None:
    checkout = await shop.stripe.create_checkout(make_order(plan))

    assert checkout.state is CheckoutState.OPEN
    assert checkout.url == f"{shop.sandbox.url}/c/pay/{checkout.psp_session_id}"
    assert checkout.client_ref == "client-1"
    assert checkout.psp_price_ids == (plan.psp_price_id,)
    assert not checkout.livemode


async def test_open_checkout_is_fetched_as_it_was_created(shop: Shop) -> None:
    created = await shop.stripe.create_checkout(make_order())

    fetched = await shop.stripe.fetch_checkout(created.psp_session_id)

    assert fetched == created


async def test_same_key_twice_is_one_session(shop: Shop) -> None:
    first = await shop.stripe.create_checkout(make_order())

    again = await shop.stripe.create_checkout(make_order())

    assert again == first
    assert (await shop.sandbox.state())["sessions"] == 1


async def test_same_key_at_the_same_time_is_one_session(shop: Shop) -> None:
    orders = [shop.stripe.create_checkout(make_order()) for _ in range(5)]

    checkouts = await asyncio.gather(*orders)

    assert len({checkout.psp_session_id for checkout in checkouts}) == 1


async def test_other_key_is_another_session(shop: Shop) -> None:
    first = await shop.stripe.create_checkout(make_order(key="order-1"))

    other = await shop.stripe.create_checkout(make_order(key="order-2"))

    assert other.psp_session_id != first.psp_session_id


async def test_other_order_under_a_used_key_is_refused(shop: Shop) -> None:
    await shop.stripe.create_checkout(make_order(MONTH))

    with pytest.raises(ProviderRefusedError, match="idempotent"):
        await shop.stripe.create_checkout(make_order(YEAR))

    assert (await shop.sandbox.state())["sessions"] == 1


async def test_refused_order_does_not_use_up_its_key(shop: Shop) -> None:
    unknown = replace(MONTH, psp_price_id="price_nowhere")
    with pytest.raises(ProviderRefusedError, match="No such price"):
        await shop.stripe.create_checkout(make_order(unknown))

    checkout = await shop.stripe.create_checkout(make_order(MONTH))

    assert checkout.state is CheckoutState.OPEN


@_PLANS
async def test_page_shows_the_price(shop: Shop, plan: Plan) -> None:
    checkout = await shop.stripe.create_checkout(make_order(plan))

    page = await shop.sandbox.ask("GET", checkout.url or "")

    assert page.status == 200
    assert "Pay 5.00 EUR" in page.text


@pytest.mark.parametrize("plan", [MONTH, YEAR], ids=lambda plan: plan.interval)
async def test_paid_subscription_checkout_names_its_subscription(shop: Shop, plan: Plan) -> None:
    session_id = await shop.buy(plan)

    paid = await shop.stripe.fetch_checkout(session_id)

    assert paid.state is CheckoutState.PAID
    assert (paid.psp_sub_id or "").startswith("sub_")
    assert (paid.psp_customer_id or "").startswith("cus_")
    assert paid.psp_payment_id is None
    assert paid.url is None


async def test_plan_paid_once_has_a_payment_and_no_subscription(shop: Shop) -> None:
    session_id = await shop.buy(ONCE)

    paid = await shop.stripe.fetch_checkout(session_id)

    assert paid.state is CheckoutState.PAID
    assert paid.psp_sub_id is None
    assert (paid.psp_customer_id or "").startswith("cus_")
    assert paid.psp_payment_id is not None
    payment = await shop.stripe.fetch_payment(paid.psp_payment_id, thorough=False)
    assert (payment.kind, payment.state) == (PaymentKind.ORDER, PaymentState.PAID)
    assert (payment.amount_minor, payment.currency) == (500, "eur")
    assert payment.created_at == shop.clock()


async def test_buyer_is_led_back_with_the_session_id(shop: Shop) -> None:
    checkout = await shop.stripe.create_checkout(make_order())

    answer = await shop.sandbox.pay(checkout.url)

    assert answer.status == 303
    expected = f"https://shop.example/return?session_id={checkout.psp_session_id}"
    assert answer.headers["Location"] == expected


async def test_declined_card_leaves_the_checkout_open_and_says_why(shop: Shop) -> None:
    checkout = await shop.stripe.create_checkout(make_order())

    answer = await shop.sandbox.pay(checkout.url, DECLINED_CARD)

    assert answer.status == 402
    assert "Your card was declined." in answer.text
    fetched = await shop.stripe.fetch_checkout(checkout.psp_session_id)
    assert fetched.state is CheckoutState.OPEN
    assert fetched.psp_sub_id is None


async def test_good_card_pays_after_a_declined_one(shop: Shop) -> None:
    checkout = await shop.stripe.create_checkout(make_order())
    await shop.sandbox.pay(checkout.url, DECLINED_CARD)

    await shop.sandbox.pay(checkout.url)

    fetched = await shop.stripe.fetch_checkout(checkout.psp_session_id)
    assert fetched.state is CheckoutState.PAID


@_PLANS
async def test_clicking_pay_twice_pays_once(shop: Shop, plan: Plan) -> None:
    checkout = await shop.stripe.create_checkout(make_order(plan))

    answers = await asyncio.gather(*(shop.sandbox.pay(checkout.url) for _ in range(4)))

    assert {answer.status for answer in answers} == {303}
    assert (await shop.sandbox.state())["payments"] == 1
    assert (await shop.sandbox.state())["customers"] == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"card": "4242 4242 4242 4241"}, "Your card number is invalid."),
        ({"card": ""}, "Your card number is invalid."),
        ({"card": "٤" * 16}, "Your card number is invalid."),
        ({"card": "4" * 100_000}, "Your card number is invalid."),
        ({"expiry": "13 / 49"}, "expiration month is invalid."),
        ({"expiry": "11 / 26"}, "expiration date is in the past."),
        ({"expiry": "soon"}, "expiration date is incomplete."),
        ({"cvc": "12"}, "security code is invalid."),
        ({"email": "nobody"}, "The e-mail address is invalid."),
        ({"email": "a@" + "b" * 300}, "The e-mail address is invalid."),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_wrong_field_is_told_and_takes_no_money(
    shop: Shop, fields: dict[str, str], sentence: str
) -> None:
    checkout = await shop.stripe.create_checkout(make_order())

    answer = await shop.sandbox.ask("POST", checkout.url or "", data=fields)

    assert answer.status == 402
    assert sentence in answer.text.replace("&#39;", "'")
    assert (await shop.sandbox.state())["payments"] == 0


async def test_what_the_buyer_typed_is_shown_as_text(shop: Shop) -> None:
    checkout = await shop.stripe.create_checkout(make_order())

    answer = await shop.sandbox.pay(checkout.url, '"><script>alert(1)</script>')

    assert "<script>" not in answer.text


async def test_checkout_expires_with_time(shop: Shop) -> None:
    checkout = await shop.stripe.create_checkout(make_order())

    await shop.sandbox.advance(1)

    fetched = await shop.stripe.fetch_checkout(checkout.psp_session_id)
    assert fetched.state is CheckoutState.EXPIRED
    assert fetched.url is None


async def test_expired_checkout_takes_no_money(shop: Shop) -> None:
    checkout = await shop.stripe.create_checkout(make_order())
    await shop.sandbox.advance(1)

    answer = await shop.sandbox.pay(checkout.url)

    assert answer.status == 410
    assert "This checkout has expired" in answer.text
    assert (await shop.sandbox.state())["payments"] == 0


async def test_checkout_that_expires_while_the_form_is_open_takes_no_money(shop: Shop) -> None:
    checkout = await shop.stripe.create_checkout(make_order())
    shop.clock.move(days=1)

    answer = await shop.sandbox.pay(checkout.url)

    assert answer.status == 410
    assert (await shop.sandbox.state())["payments"] == 0


async def test_known_customer_buys_as_the_same_customer(shop: Shop) -> None:
    first = await shop.stripe.fetch_checkout(await shop.buy(MONTH))
    order = replace(make_order(ONCE, key="order-2"), psp_customer_id=first.psp_customer_id)

    checkout = await shop.stripe.create_checkout(order)
    await shop.sandbox.pay(checkout.url)

    second = await shop.stripe.fetch_checkout(checkout.psp_session_id)
    assert second.psp_customer_id == first.psp_customer_id
    assert (await shop.sandbox.state())["customers"] == 1


async def test_page_of_a_session_that_is_not_there_says_so(shop: Shop) -> None:
    answer = await shop.sandbox.ask("GET", "/c/pay/cs_test_nowhere")

    assert answer.status == 404
    assert "There is no such checkout" in answer.text
