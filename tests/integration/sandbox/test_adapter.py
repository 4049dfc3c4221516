"""The Stripe adapter as it runs in earnest, against the sandbox's wire."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from billing.errors import ProviderRefusedError, UnavailableError
from billing.model import CheckoutState
from billing.providers.stripe import Stripe
from policies.model import SubscriptionStatus as S
from tests.support.sandbox import (
    DECLINED,
    FAILS_LATER,
    PLANS,
    Sandbox,
    make_order,
    make_stripe,
    path_of,
)
from tests.support.snapshots import CLIENT


async def test_checkout_is_opened_with_a_page_to_pay_on(sandbox: Sandbox) -> None:
    checkout = await sandbox.stripe.create_checkout(make_order())

    async with sandbox.http.get(f"{sandbox.url}{path_of(checkout.url)}") as page:
        text = await page.text()
    assert checkout.state is CheckoutState.OPEN
    assert (checkout.client_ref, checkout.psp_price_ids) == (CLIENT, ("price_reader_1",))
    assert "5.00 EUR" in text
    assert "no real money" in text


async def test_same_key_opens_the_same_checkout(sandbox: Sandbox) -> None:
    first, second = [await sandbox.stripe.create_checkout(make_order()) for _ in range(2)]

    assert first.psp_session_id == second.psp_session_id


async def test_same_key_for_something_else_is_refused(sandbox: Sandbox) -> None:
    await sandbox.stripe.create_checkout(make_order("reader"))

    with pytest.raises(ProviderRefusedError, match="same parameters"):
        await sandbox.stripe.create_checkout(make_order("yearly"))


async def test_paying_makes_a_subscription_of_the_client(sandbox: Sandbox) -> None:
    session_id = await sandbox.open_checkout()

    status, location = await sandbox.pay(session_id)

    checkout = await sandbox.stripe.fetch_checkout(session_id)
    assert (status, location) == (303, f"http://shop.example/return?session_id={session_id}")
    assert checkout.state is CheckoutState.PAID
    assert checkout.psp_sub_id is not None
    subscription = await sandbox.stripe.fetch_subscription(checkout.psp_sub_id)
    (item,) = subscription.items
    assert (subscription.status, subscription.client_ref) == (S.ACTIVE, CLIENT)
    assert item.psp_price_id == "price_reader_1"
    assert 28 <= (item.period_end - item.period_start).days <= 31
    assert subscription.payment is not None
    assert (subscription.payment.amount_minor, subscription.payment.status) == (500, "paid")


async def test_plan_that_is_paid_once_is_an_order_without_a_subscription(sandbox: Sandbox) -> None:
    session_id = await sandbox.open_checkout("lifetime")
    await sandbox.pay(session_id)

    checkout = await sandbox.stripe.fetch_checkout(session_id)

    assert (checkout.state, checkout.psp_sub_id) == (CheckoutState.PAID, None)
    assert checkout.payment is not None
    assert checkout.payment.amount_minor == PLANS["lifetime"].amount_minor


async def test_declined_card_leaves_the_checkout_open_for_another(sandbox: Sandbox) -> None:
    session_id = await sandbox.open_checkout()

    status, page = await sandbox.pay(session_id, DECLINED)
    declined = await sandbox.stripe.fetch_checkout(session_id)
    again, _ = await sandbox.pay(session_id)

    assert status == 402
    assert "declined" in page
    assert declined.state is CheckoutState.OPEN
    assert again == 303


async def test_clicking_twice_pays_once(sandbox: Sandbox) -> None:
    session_id = await sandbox.open_checkout()

    answers = await asyncio.gather(*(sandbox.pay(session_id) for _ in range(5)))

    _, listed = await sandbox.call("GET", "/v1/subscriptions")
    assert {status for status, _ in answers} == {303}
    assert len(listed["data"]) == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("card", "4242424242424241", "number"),
        ("card", "", "number"),
        ("card", "x", "number"),
        ("expiry", "12 / 20", "in the past"),
        ("expiry", "13 / 49", "expir"),
        ("expiry", "soon", "expir"),
        ("cvc", "1", "code"),
        ("email", "nobody", "e-mail"),
    ],
)
async def test_fields_that_cannot_be_right_are_told_and_cost_nothing(
    sandbox: Sandbox, field: str, value: str, words: str
) -> None:
    session_id = await sandbox.open_checkout()

    status, page = await sandbox.post(f"/c/pay/{session_id}", {field: value})

    assert status == 402
    assert words in page.lower()
    assert (await sandbox.stripe.fetch_checkout(session_id)).state is CheckoutState.OPEN


async def test_checkout_expires_after_a_day_and_takes_no_money_then(sandbox: Sandbox) -> None:
    session_id = await sandbox.open_checkout()
    await sandbox.move(days=2)

    status, _ = await sandbox.pay(session_id)

    assert status == 410
    assert (await sandbox.stripe.fetch_checkout(session_id)).state is CheckoutState.EXPIRED


async def test_cancelling_names_the_end_and_can_be_taken_back(sandbox: Sandbox) -> None:
    sub_id = await sandbox.buy()

    await sandbox.stripe.cancel_at_period_end(sub_id)
    cancelled = await sandbox.stripe.fetch_subscription(sub_id)
    await sandbox.stripe.resume(sub_id)
    resumed = await sandbox.stripe.fetch_subscription(sub_id)

    assert cancelled.status is S.CANCELING
    assert cancelled.cancel_at == cancelled.items[0].period_end
    assert (resumed.status, resumed.cancel_at) == (S.ACTIVE, None)


async def test_time_renews_what_is_paid(sandbox: Sandbox) -> None:
    sub_id = await sandbox.buy()
    before = await sandbox.stripe.fetch_subscription(sub_id)

    await sandbox.move(days=32)

    after = await sandbox.stripe.fetch_subscription(sub_id)
    assert after.status is S.ACTIVE
    assert after.items[0].period_start == before.items[0].period_end
    assert after.payment != before.payment


async def test_time_ends_what_was_cancelled(sandbox: Sandbox) -> None:
    sub_id = await sandbox.buy()
    await sandbox.stripe.cancel_at_period_end(sub_id)
    before = await sandbox.stripe.fetch_subscription(sub_id)

    await sandbox.move(days=32)

    after = await sandbox.stripe.fetch_subscription(sub_id)
    assert (after.status, after.ended_at) == (S.ENDED, before.items[0].period_end)


async def test_renewal_that_fails_is_past_due_and_its_period_moves_on_all_the_same(
    sandbox: Sandbox,
) -> None:
    sub_id = await sandbox.buy(card=FAILS_LATER)
    before = await sandbox.stripe.fetch_subscription(sub_id)

    await sandbox.move(days=32)

    after = await sandbox.stripe.fetch_subscription(sub_id)
    assert after.status is S.PAST_DUE
    assert after.items[0].period_start == before.items[0].period_end


async def test_good_card_pays_what_is_past_due(sandbox: Sandbox) -> None:
    sub_id = await sandbox.buy(card=FAILS_LATER)
    await sandbox.move(days=32)
    customer = (await sandbox.stripe.fetch_subscription(sub_id)).psp_customer_id

    status, _ = await sandbox.post(f"/sandbox/customers/{customer}/renewals", {"outcome": "pass"})

    after = await sandbox.stripe.fetch_subscription(sub_id)
    assert status == 303
    assert after.status is S.ACTIVE


@pytest.mark.parametrize("name", ["fetch_subscription", "fetch_checkout", "resume"])
async def test_object_that_is_not_there_is_a_refusal(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(ProviderRefusedError, match="No such"):
        await getattr(sandbox.stripe, name)("sub_unknown")


async def test_wrong_key_is_a_refusal(sandbox: Sandbox) -> None:
    stripe = make_stripe(sandbox.url, key="sk_test_wrong")

    with pytest.raises(ProviderRefusedError):
        await stripe.fetch_checkout("cs_1")
    await stripe.close()


async def test_nobody_there_is_unavailable() -> None:
    stripe = make_stripe("http://127.0.0.1:9")

    with pytest.raises(UnavailableError):
        await stripe.fetch_checkout("cs_1")
    await stripe.close()


async def ask_a_server_that(answer: web.StreamResponse | None) -> None:
    """Fetch from a server that gives the answer, or none at all."""
    hangs = asyncio.Event()

    async def handle(_request: web.Request) -> web.StreamResponse:
        if answer is None:
            await hangs.wait()
        return answer or web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    stripe: Stripe = make_stripe(f"http://{host}:{port}", timeout_s=0.3)
    try:
        await stripe.fetch_checkout("cs_1")
    finally:
        hangs.set()
        await stripe.close()
        await runner.cleanup()


async def test_server_that_hangs_is_unavailable_within_our_own_time() -> None:
    with pytest.raises(UnavailableError):
        await ask_a_server_that(None)


@pytest.mark.parametrize(
    "answer",
    [
        web.json_response({"error": {"message": "busy"}}, status=429),
        web.json_response({"error": {"message": "ours"}}, status=500),
        web.Response(text="<html>Bad gateway</html>", status=502),
        web.Response(text="<html>not JSON</html>"),
    ],
    ids=["429", "500", "502", "no JSON"],
)
async def test_server_that_is_in_trouble_is_unavailable(answer: web.Response) -> None:
    with pytest.raises(UnavailableError):
        await ask_a_server_that(answer)


async def test_answer_of_another_shape_is_a_refusal() -> None:
    with pytest.raises(ProviderRefusedError, match="unreadable"):
        await ask_a_server_that(web.json_response({"object": "checkout.session"}))


async def test_health_is_told(sandbox: Sandbox) -> None:
    async with sandbox.http.get(f"{sandbox.url}/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok", "dead": []})


async def test_http_session_of_the_adapter_is_closed(sandbox: Sandbox) -> None:
    stripe = make_stripe(sandbox.url)
    await stripe.close()

    assert isinstance(stripe._session, aiohttp.ClientSession)
    assert stripe._session.closed
