"""Subscriptions as the adapter reads them, while time moves on."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.errors import ProviderRefusedError
from billing.facts import PaymentKind, PaymentState
from billing.model import Interval, Plan
from policies.model import SubscriptionStatus
from tests.support.sandbox import DECLINED_AT_RENEWAL_CARD, MONTH, YEAR, Shop

_PERIOD_END = {
    Interval.MONTH: datetime(2027, 1, 1, 12, tzinfo=UTC),
    Interval.YEAR: datetime(2027, 12, 1, 12, tzinfo=UTC),
}


@pytest.mark.parametrize("plan", [MONTH, YEAR], ids=lambda plan: plan.interval)
async def test_new_subscription_is_active_for_its_first_period(shop: Shop, plan: Plan) -> None:
    sub_id = await shop.subscribe(plan)

    found = await shop.stripe.fetch_subscription(sub_id)

    assert (found.status, found.raw_status) == (SubscriptionStatus.ACTIVE, "active")
    assert found.client_ref == "client-1"
    assert found.started_at == shop.clock()
    assert (found.cancel_at, found.ended_at, found.trial_end) == (None, None, None)
    (item,) = found.items
    assert (item.psp_price_id, item.quantity) == (plan.psp_price_id, 1)
    assert (item.period_start, item.period_end) == (shop.clock(), _PERIOD_END[plan.interval])


async def test_new_subscription_carries_its_paid_invoice(shop: Shop) -> None:
    sub_id = await shop.subscribe()

    payment = await shop.payment_of(sub_id)

    assert (payment.kind, payment.state) == (PaymentKind.INVOICE, PaymentState.PAID)
    assert (payment.amount_minor, payment.currency) == (500, "eur")


async def test_cancelled_subscription_runs_until_its_period_ends(shop: Shop) -> None:
    sub_id = await shop.subscribe()

    await shop.cancel(sub_id)

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.status is SubscriptionStatus.CANCELING
    assert found.cancel_at == _PERIOD_END[Interval.MONTH]
    assert found.ended_at is None


async def test_cancelling_twice_is_cancelling_once(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    await shop.cancel(sub_id)
    before = await shop.stripe.fetch_subscription(sub_id)

    await shop.cancel(sub_id)

    assert await shop.stripe.fetch_subscription(sub_id) == before


async def test_resumed_subscription_is_as_before(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    before = await shop.stripe.fetch_subscription(sub_id)
    await shop.cancel(sub_id)

    await shop.resume(sub_id)

    assert await shop.stripe.fetch_subscription(sub_id) == before


async def test_client_may_change_their_mind_often(shop: Shop) -> None:
    sub_id = await shop.subscribe()

    for _ in range(2):
        await shop.cancel(sub_id)
        await shop.resume(sub_id)
    await shop.cancel(sub_id)

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.status is SubscriptionStatus.CANCELING


async def test_subscription_renews_when_its_period_ends(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    first = await shop.stripe.fetch_subscription(sub_id)

    await shop.sandbox.advance(31)

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.status is SubscriptionStatus.ACTIVE
    assert found.items[0].psp_item_id == first.items[0].psp_item_id
    assert found.items[0].period_start == first.items[0].period_end
    assert found.items[0].period_end == datetime(2027, 2, 1, 12, tzinfo=UTC)
    assert found.psp_payment_id != first.psp_payment_id


async def test_subscription_renews_when_time_simply_passes(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    shop.clock.move(days=31)

    await shop.receiver.wait_for("customer.subscription.updated")

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.items[0].period_start == _PERIOD_END[Interval.MONTH]


async def test_year_of_renewals_is_caught_up_one_by_one(shop: Shop) -> None:
    sub_id = await shop.subscribe()

    await shop.sandbox.advance(365)

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.items[0].period_end == datetime(2028, 1, 1, 12, tzinfo=UTC)
    assert (await shop.sandbox.state())["invoices"] == 13


async def test_cancelled_subscription_ends_with_its_period(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    await shop.cancel(sub_id)

    await shop.sandbox.advance(31)

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.status is SubscriptionStatus.ENDED
    assert found.ended_at == _PERIOD_END[Interval.MONTH]
    assert (await shop.sandbox.state())["invoices"] == 1


async def test_cancelled_subscription_does_not_end_a_second_early(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    await shop.cancel(sub_id)

    await shop.sandbox.advance(31 - 1.5 / 86_400)

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.status is SubscriptionStatus.CANCELING


async def test_ended_subscription_cannot_be_resumed(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    await shop.cancel(sub_id)
    await shop.sandbox.advance(31)

    with pytest.raises(ProviderRefusedError, match="canceled subscription"):
        await shop.resume(sub_id)


async def test_failed_renewal_is_past_due(shop: Shop) -> None:
    sub_id = await shop.subscribe(card=DECLINED_AT_RENEWAL_CARD)

    await shop.sandbox.advance(31)

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.status is SubscriptionStatus.PAST_DUE
    assert (await shop.payment_of(sub_id)).state is PaymentState.FAILED


async def test_subscription_past_due_for_two_weeks_ends(shop: Shop) -> None:
    sub_id = await shop.subscribe(card=DECLINED_AT_RENEWAL_CARD)
    await shop.sandbox.advance(31)

    await shop.sandbox.advance(14)

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.status is SubscriptionStatus.ENDED
    assert found.ended_at == _PERIOD_END[Interval.MONTH] + timedelta(days=14)


async def test_good_card_brings_a_subscription_past_due_back(shop: Shop) -> None:
    sub_id = await shop.subscribe(card=DECLINED_AT_RENEWAL_CARD)
    await shop.sandbox.advance(31)
    customer = (await shop.stripe.fetch_subscription(sub_id)).psp_customer_id

    path = f"/sandbox/customers/{customer}/renewals"
    await shop.sandbox.ask("POST", path, data={"outcome": "pass"})

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.status is SubscriptionStatus.ACTIVE
    assert (await shop.payment_of(sub_id)).state is PaymentState.PAID


async def test_renewal_can_be_made_to_fail(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    customer = (await shop.stripe.fetch_subscription(sub_id)).psp_customer_id
    path = f"/sandbox/customers/{customer}/renewals"
    await shop.sandbox.ask("POST", path, data={"outcome": "fail"})

    await shop.sandbox.advance(31)

    found = await shop.stripe.fetch_subscription(sub_id)
    assert found.status is SubscriptionStatus.PAST_DUE
