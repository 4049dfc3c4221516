"""Deliveries: every event arrives, also when its receiver is in trouble."""

import json
from collections import Counter
from pathlib import Path

import pytest

from billing.model import CheckoutState
from tests.support.clock import FakeClock
from tests.support.sandbox import (
    DECLINED_AT_RENEWAL_CARD,
    MONTH,
    ONCE,
    Receiver,
    Shop,
    make_order,
    run_adapter,
    run_sandbox,
)

_BOUGHT = {
    "customer.created",
    "customer.subscription.created",
    "invoice.created",
    "invoice.finalized",
    "charge.succeeded",
    "payment_intent.succeeded",
    "invoice_payment.paid",
    "invoice.paid",
    "invoice.payment_succeeded",
    "checkout.session.completed",
}


async def test_purchase_is_told_by_the_events_of_stripe(shop: Shop) -> None:
    await shop.buy(MONTH)

    await shop.sandbox.settle()

    assert Counter(shop.receiver.types()) == Counter(_BOUGHT)


async def test_purchase_once_tells_of_no_subscription(shop: Shop) -> None:
    await shop.buy(ONCE)

    await shop.sandbox.settle()

    assert Counter(shop.receiver.types()) == Counter(
        [
            "customer.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed",
        ]
    )


async def test_event_is_delivered_once_to_who_takes_it(shop: Shop) -> None:
    await shop.buy()
    await shop.sandbox.settle()
    before = len(shop.receiver.deliveries)

    await shop.sandbox.settle()

    assert len(shop.receiver.deliveries) == before
    assert (await shop.sandbox.state())["deliveries_pending"] == 0


@pytest.mark.parametrize("status", [500, 503, 400, 404, 302, 307])
async def test_answer_that_is_no_success_is_told_on_the_dashboard(shop: Shop, status: int) -> None:
    shop.receiver.status = status
    await shop.buy()

    await shop.sandbox.settle()

    page = await shop.sandbox.ask("GET", "/sandbox")
    assert f"answered with {status}" in page.text
    assert (await shop.sandbox.state())["deliveries_pending"] == len(_BOUGHT)


@pytest.mark.parametrize("status", [302, 307])
async def test_redirect_is_not_followed(shop: Shop, status: int) -> None:
    shop.receiver.status = status
    await shop.buy()

    await shop.sandbox.settle()

    assert {delivery.method for delivery in shop.receiver.deliveries} == {"POST"}
    assert len(shop.receiver.deliveries) == len(_BOUGHT)


@pytest.mark.parametrize("status", [500, 302])
async def test_event_that_was_not_taken_goes_out_again(shop: Shop, status: int) -> None:
    shop.receiver.status = status
    await shop.buy()
    await shop.sandbox.settle()
    shop.receiver.status = 200

    shop.clock.move(seconds=1)
    await shop.sandbox.settle()

    assert (await shop.sandbox.state())["deliveries_pending"] == 0
    seen = Counter(delivery.body for delivery in shop.receiver.deliveries)
    assert set(seen.values()) == {2}


async def test_every_attempt_is_signed_anew(shop: Shop) -> None:
    shop.receiver.status = 500
    await shop.buy()
    await shop.sandbox.settle()
    shop.receiver.status = 200

    shop.clock.move(hours=1)
    await shop.sandbox.settle()

    last = shop.receiver.deliveries[-1]
    event = shop.stripe.verify(last.body, last.headers, shop.clock())
    assert event.external_id == last.event["id"]


async def test_event_is_given_up_after_three_days(shop: Shop) -> None:
    shop.receiver.status = 500
    await shop.buy()
    await shop.sandbox.settle()

    shop.clock.move(days=3, seconds=1)
    await shop.sandbox.settle()

    assert (await shop.sandbox.state())["deliveries_pending"] == 0
    assert "given_up" in (await shop.sandbox.ask("GET", "/sandbox")).text


async def test_receiver_that_hangs_keeps_no_buyer_waiting(shop: Shop) -> None:
    shop.receiver.status = None
    session_id = await shop.buy()
    await shop.receiver.wait_for("checkout.session.completed")

    paid = await shop.stripe.fetch_checkout(session_id)

    assert paid.state is CheckoutState.PAID


async def test_event_can_be_sent_again_unchanged(shop: Shop) -> None:
    await shop.buy()
    await shop.sandbox.settle()
    first = await shop.receiver.wait_for("checkout.session.completed")

    answer = await shop.sandbox.ask("POST", f"/sandbox/events/{first.event['id']}/resend")

    assert answer.status == 303
    assert shop.receiver.deliveries[-1].body == first.body


async def test_events_that_were_not_taken_go_out_again_after_a_restart(
    tmp_path: Path, receiver: Receiver, clock: FakeClock
) -> None:
    receiver.status = 500
    async with (
        run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox,
        run_adapter(sandbox.url) as stripe,
    ):
        await Shop(sandbox, stripe, receiver, clock).buy()
        await sandbox.settle()
    missed = {delivery.body for delivery in receiver.deliveries}
    receiver.deliveries.clear()
    receiver.status = 200

    async with run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox:
        await sandbox.settle()
        pending = (await sandbox.state())["deliveries_pending"]

    assert pending == 0
    assert {delivery.body for delivery in receiver.deliveries} == missed


async def test_events_that_were_taken_stay_away_after_a_restart(
    tmp_path: Path, receiver: Receiver, clock: FakeClock
) -> None:
    async with (
        run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox,
        run_adapter(sandbox.url) as stripe,
    ):
        await Shop(sandbox, stripe, receiver, clock).buy()
        await sandbox.settle()
    receiver.deliveries.clear()

    async with run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox:
        await sandbox.settle()

    assert receiver.deliveries == []


async def test_open_checkout_moves_to_the_port_of_the_restarted_sandbox(
    tmp_path: Path, receiver: Receiver, clock: FakeClock
) -> None:
    async with (
        run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox,
        run_adapter(sandbox.url) as stripe,
    ):
        first = await stripe.create_checkout(make_order())

    async with (
        run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox,
        run_adapter(sandbox.url) as stripe,
    ):
        again = await stripe.create_checkout(make_order())
        fetched = await stripe.fetch_checkout(first.psp_session_id)
        answer = await sandbox.pay(again.url)

    assert again == fetched
    assert again.psp_session_id == first.psp_session_id
    assert again.url == f"{sandbox.url}/c/pay/{first.psp_session_id}"
    assert answer.status == 303


async def test_open_invoice_moves_to_the_port_of_the_restarted_sandbox(
    tmp_path: Path, receiver: Receiver, clock: FakeClock
) -> None:
    async with (
        run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox,
        run_adapter(sandbox.url) as stripe,
    ):
        await Shop(sandbox, stripe, receiver, clock).subscribe(card=DECLINED_AT_RENEWAL_CARD)
        await sandbox.advance(31)

    async with run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox:
        (invoice,) = (await sandbox.api("GET", "/v1/invoices?status=open")).json()["data"]
        page = await sandbox.ask("GET", invoice["hosted_invoice_url"])

    assert invoice["hosted_invoice_url"] == f"{sandbox.url}/i/{invoice['id']}"
    assert (page.status, "Your card was declined" in page.text) == (200, True)


async def test_moved_clock_stays_moved_after_a_restart(
    tmp_path: Path, receiver: Receiver, clock: FakeClock
) -> None:
    async with run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox:
        await sandbox.advance(31)

    async with run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox:
        state = await sandbox.state()

    assert state["offset_s"] == 31 * 86_400
    assert json.loads((tmp_path / "clock-offset").read_text()) == 31 * 86_400
