"""Money that comes late, goes back, or never comes, on a real database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.facts import DisputeState, PaymentState, ProviderItem
from billing.metrics import Alarm
from billing.model import CheckoutState, Hosted, Source
from billing.result import Applied
from policies.decision import Outcome
from policies.model import SubscriptionStatus
from tests.integration.billing.conftest import Shop


async def payment_states(shop: Shop) -> list[str]:
    async with shop.database.connection() as connection:
        rows = await connection.fetch("select status from payments order by psp_payment_id")
    return [row["status"] for row in rows]


async def actions(shop: Shop) -> list[str]:
    async with shop.database.connection() as connection:
        rows = await connection.fetch("select action from audit order by seq")
    return [row["action"] for row in rows]


@pytest.mark.parametrize("plan", ["reader", "lifetime"])
async def test_debit_under_way_opens_nothing_until_it_comes(shop: Shop, plan: str) -> None:
    session_id = await shop.open_checkout(plan)
    shop.provider.pay(session_id, PaymentState.SETTLING)
    returned = await shop.checkout.finish(session_id)
    waiting = await shop.outcome()

    shop.provider.settle(session_id, is_paid=True)
    await shop.see(f"checkout:{session_id}")

    assert returned is not None
    assert returned.state is CheckoutState.SETTLING
    assert (waiting, await shop.outcome()) == (Outcome.PAY, Outcome.ALLOW)


@pytest.mark.parametrize("plan", ["reader", "lifetime"])
async def test_debit_that_failed_opens_nothing_and_lets_the_client_try_again(
    shop: Shop, plan: str
) -> None:
    session_id = await shop.open_checkout(plan)
    shop.provider.pay(session_id, PaymentState.SETTLING)
    await shop.checkout.finish(session_id)
    shop.provider.settle(session_id, is_paid=False)
    if plan == "reader":
        shop.provider.end(f"sub_{session_id}")

    await shop.see(f"checkout:{session_id}")
    again = await shop.checkout.begin(
        shop.client_id, plan, return_host="notes.localhost", return_to="/"
    )

    assert await shop.outcome() is Outcome.PAY
    assert isinstance(again, Hosted)
    assert again.url != f"https://pay.example/{session_id}"


async def test_subscription_that_is_called_active_before_its_debit_came_opens_nothing(
    shop: Shop,
) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id, PaymentState.SETTLING)

    result = await shop.see(f"subscription:sub_{session_id}")

    assert shop.provider.subscriptions[f"sub_{session_id}"].status is SubscriptionStatus.ACTIVE
    assert result.applied is Applied.CHANGED
    assert await shop.outcome() is Outcome.PAY


@pytest.mark.parametrize("plan", ["reader", "lifetime"])
async def test_full_refund_shuts_the_door(shop: Shop, plan: str) -> None:
    session_id = await shop.buy(plan)
    shop.clock.move(days=1)
    shop.provider.give_back(f"pay_{session_id}")

    await shop.see(f"payment:pi_{session_id}")

    assert await shop.outcome() is Outcome.PAY
    assert "payment.refunded" in await actions(shop)


async def test_partial_refund_shuts_nothing_and_is_booked(shop: Shop) -> None:
    session_id = await shop.buy()
    shop.provider.give_back(f"pay_{session_id}", 200)

    result = await shop.see(f"payment:pay_{session_id}")

    assert await shop.outcome() is Outcome.ALLOW
    assert [(c.field, c.before, c.after) for c in result.changes] == [
        (f"payment pay_{session_id} refunded_minor", "0", "200")
    ]


@pytest.mark.parametrize("plan", ["reader", "lifetime"])
async def test_dispute_shuts_the_door_and_winning_it_opens_it_again(shop: Shop, plan: str) -> None:
    session_id = await shop.buy(plan)
    payment_id = f"pay_{session_id}"
    outcomes = []

    for state in (DisputeState.OPEN, DisputeState.WON, DisputeState.LOST):
        shop.clock.move(days=1)
        shop.provider.dispute(payment_id, state)
        await shop.see(f"payment:{payment_id}")
        outcomes.append(await shop.outcome())

    assert outcomes == [Outcome.PAY, Outcome.ALLOW, Outcome.PAY]
    assert [a for a in await actions(shop) if "dispute" in a] == [
        "payment.dispute_open",
        "payment.dispute_won",
        "payment.dispute_lost",
    ]


async def test_fraud_warning_is_found_by_its_own_event_and_kept_by_every_later_look(
    shop: Shop,
) -> None:
    session_id = await shop.buy()
    payment_id = f"pay_{session_id}"
    shop.clock.move(days=1)
    shop.provider.ways["issfr_1"] = payment_id
    shop.provider.dispute(payment_id, DisputeState.WARNED)

    await shop.see("payment:issfr_1")
    warned = await shop.outcome()
    await shop.see(f"payment:{payment_id}")
    looked_again = await shop.outcome()
    shop.provider.dispute(payment_id, DisputeState.NONE)
    await shop.see(f"payment:{payment_id}")

    assert (warned, looked_again) == (Outcome.PAY, Outcome.PAY)
    assert await shop.outcome() is Outcome.ALLOW


async def test_refund_that_failed_opens_the_door_again(shop: Shop) -> None:
    session_id = await shop.buy()
    payment_id = f"pay_{session_id}"
    before = shop.provider.payments[payment_id]
    shop.clock.move(days=1)
    shop.provider.give_back(payment_id)
    await shop.see(f"payment:{payment_id}")
    shut = await shop.outcome()

    shop.provider.payments[payment_id] = before
    await shop.see(f"payment:{payment_id}")

    assert (shut, await shop.outcome()) == (Outcome.PAY, Outcome.ALLOW)


async def test_renewal_that_failed_keeps_the_door_open_for_the_grace_only(shop: Shop) -> None:
    session_id = await shop.buy()
    shop.clock.move(days=30)
    payment_id = shop.provider.renew(f"sub_{session_id}", is_paid=False)
    shop.clock.move(hours=2)

    await shop.see(f"payment:{payment_id}")
    in_grace = await shop.outcome()
    shop.clock.move(days=3)

    assert (in_grace, await shop.outcome()) == (Outcome.ALLOW, Outcome.PAY)


async def test_event_about_a_payment_brings_its_subscription_too(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)

    result = await shop.see(f"payment:pay_{session_id}")

    assert result.client_id == shop.client_id
    assert await shop.outcome() is Outcome.ALLOW
    assert await payment_states(shop) == ["paid"]


async def test_event_about_a_subscription_brings_its_payment_too(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)

    await shop.see(f"subscription:sub_{session_id}")

    assert await shop.outcome() is Outcome.ALLOW
    assert await payment_states(shop) == ["paid"]


async def test_subscription_whose_payment_is_known_is_read_with_one_call(shop: Shop) -> None:
    session_id = await shop.buy()
    shop.provider.calls.clear()

    await shop.see(f"subscription:sub_{session_id}")

    assert shop.provider.calls == ["fetch_subscription"]


async def test_payment_that_is_known_is_read_with_its_subscription_in_two_calls(
    shop: Shop,
) -> None:
    session_id = await shop.buy()
    shop.provider.calls.clear()

    await shop.see(f"payment:pi_{session_id}")

    assert shop.provider.calls == ["fetch_payment", "fetch_subscription"]


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        (Source.WEBHOOK, []),
        (Source.RETURN, []),
        (Source.RECONCILE, ["fetch_subscription"]),
        (Source.ADMIN, ["fetch_subscription"]),
    ],
)
async def test_subscription_that_has_ended_is_read_again_only_by_who_doubts(
    shop: Shop, source: Source, calls: list[str]
) -> None:
    session_id = await shop.buy()
    shop.provider.end(f"sub_{session_id}")
    await shop.see(f"subscription:sub_{session_id}")
    shop.provider.calls.clear()

    result = await shop.see(f"subscription:sub_{session_id}", source)

    assert result.applied is Applied.UNCHANGED
    assert shop.provider.calls == calls


async def test_yearly_item_stays_open_when_the_monthly_one_is_owed(shop: Shop) -> None:
    session_id = await shop.buy("team")
    sub_id, start = f"sub_{session_id}", shop.clock()
    year = ProviderItem("si_year", "price_team_1", 1, start, start + timedelta(days=365))
    month = ProviderItem("si_month", "price_reader_1", 1, start, start + timedelta(days=30))
    held = shop.provider.subscriptions[sub_id]
    shop.provider.subscriptions[sub_id] = replace(held, items=(year, month))
    shop.provider.bill(f"pay_{session_id}", year, month)
    await shop.see(f"payment:pay_{session_id}")
    shop.clock.move(days=30)
    shop.provider.renew(sub_id, is_paid=False)
    renewed = shop.provider.subscriptions[sub_id]
    shop.provider.subscriptions[sub_id] = replace(renewed, items=(year, renewed.items[1]))
    shop.clock.move(days=20)

    await shop.see(f"subscription:{sub_id}")

    assert await shop.outcome("wiki") is Outcome.ALLOW
    shop.clock.move(days=320)
    assert await shop.outcome("wiki") is Outcome.PAY


async def test_second_subscription_of_a_plan_counts_and_is_told_once(shop: Shop) -> None:
    first = await shop.buy()
    second = replace(
        shop.provider.subscriptions[f"sub_{first}"],
        psp_sub_id="sub_second",
        items=(ProviderItem("si_second", "price_reader_1", 1, shop.clock(), shop.clock()),),
        psp_payment_id=None,
    )
    shop.provider.subscriptions["sub_second"] = second

    for _ in range(3):
        await shop.see("subscription:sub_second")
    told = await actions(shop)
    shop.provider.end("sub_second")
    await shop.see("subscription:sub_second")

    assert told.count("subscription.overlap") == 1
    assert shop.meter.alarms == [Alarm.SUBSCRIPTION_OVERLAP]
    assert await shop.outcome() is Outcome.ALLOW


async def test_deleted_customer_is_unlinked_and_what_it_paid_for_is_read_again(shop: Shop) -> None:
    await shop.buy()
    customer = f"cus_{shop.client_id}"
    shop.clock.move(days=1)
    shop.provider.delete_customer(customer)

    result = await shop.see(f"customer:{customer}")
    again = await shop.checkout.begin(shop.client_id, "reader", return_host="h", return_to="/")

    assert result.client_id == shop.client_id
    assert await shop.outcome() is Outcome.PAY
    # Stripe refuses a checkout for a customer that was deleted.
    assert isinstance(again, Hosted)
    assert shop.provider.orders[again.url.rsplit("/", 1)[1]].psp_customer_id is None


async def test_customer_that_is_still_there_changes_nothing(shop: Shop) -> None:
    await shop.buy()

    result = await shop.see(f"customer:cus_{shop.client_id}")

    assert (result.applied, result.changes) == (Applied.UNCHANGED, ())


async def test_manual_grants_are_none_of_the_providers_business(shop: Shop) -> None:
    async with shop.database.connection() as connection:
        await connection.execute(
            "insert into grants (client_id, app_id, feature, value, source, source_id, from_at,"
            " actor) values ($1::text::uuid, 'notes', 'access', 'true', 'manual', 'm1', $2, 'ann')",
            shop.client_id,
            shop.clock(),
        )
    session_id = await shop.buy("team")
    shop.provider.end(f"sub_{session_id}")

    await shop.see(f"subscription:sub_{session_id}")

    assert await shop.outcome("notes") is Outcome.ALLOW
    assert await shop.outcome("wiki") is Outcome.PAY
