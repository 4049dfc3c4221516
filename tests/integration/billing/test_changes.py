"""Changing, cancelling and resuming: paid first where it costs more, and carried out once."""

from dataclasses import replace

import pytest

from billing.errors import (
    KeyConflictError,
    NotFoundError,
    NotPossibleError,
    PaymentNeededError,
    ProviderRefusedError,
    UnknownPlanError,
)
from billing.model import Cause, Interval, Source
from billing.views import SubscriptionView
from policies.decision import Outcome
from policies.model import SubscriptionStatus
from tests.integration.billing.conftest import Shop

CAUSE = Cause(Source.ADMIN, "api:test")
_NOBODY = "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d"


async def bought(shop: Shop, plan: str = "reader", quantity: int = 1) -> SubscriptionView:
    """Buy the plan and return the subscription."""
    begun = await shop.checkout.begin(
        shop.client_id, plan, return_host="h", return_to="/", quantity=quantity
    )
    session_id = f"cs_{len(shop.provider.checkouts)}"
    shop.provider.pay(session_id)
    await shop.checkout.finish(session_id)
    assert begun is not None
    return (await shop.changes.list_views(shop.client_id))[0]


async def change(
    shop: Shop,
    held: SubscriptionView,
    *,
    plan: str | None = None,
    quantity: int | None = None,
    item: str | None = None,
    key: str | None = None,
) -> SubscriptionView:
    return await shop.changes.change(
        shop.client_id, held.id, plan_id=plan, quantity=quantity, item=item, cause=CAUSE, key=key
    )


async def test_subscription_is_told_with_its_items(shop: Shop) -> None:
    held = await bought(shop, "seats", 2)

    (item,) = held.items
    assert (item.plan, item.version, item.quantity) == ("seats", 1, 2)
    assert held.status is SubscriptionStatus.ACTIVE
    assert held.until_at is not None
    assert held.until_at > item.period_end
    assert held.is_verified


async def test_subscriptions_of_an_app_are_those_that_give_it(shop: Shop) -> None:
    await bought(shop, "seats")
    await bought(shop, "reader")

    found = await shop.changes.list_views(shop.client_id, "chat")

    assert [view.items[0].plan for view in found] == ["seats"]


async def test_wider_plan_opens_its_apps(shop: Shop) -> None:
    held = await bought(shop)
    before = await shop.outcome("wiki")

    after = await change(shop, held, plan="team")

    assert before is Outcome.PAY
    assert after.items[0].plan == "team"
    assert await shop.outcome("wiki") is Outcome.ALLOW


async def test_difference_that_is_not_paid_changes_nothing(shop: Shop) -> None:
    held = await bought(shop)
    shop.provider.is_declining = True

    with pytest.raises(PaymentNeededError):
        await change(shop, held, plan="team")

    assert (await shop.changes.list_views(shop.client_id))[0].items[0].plan == "reader"
    assert await shop.outcome("wiki") is Outcome.PAY


async def test_smaller_plan_needs_no_payment(shop: Shop) -> None:
    held = await bought(shop, "team")
    shop.provider.is_declining = True

    after = await change(shop, held, plan="reader")

    assert after.items[0].plan == "reader"
    assert await shop.outcome("wiki") is Outcome.PAY


async def test_more_of_a_plan_has_to_be_paid_and_less_has_not(shop: Shop) -> None:
    held = await bought(shop, "seats", 3)
    shop.provider.is_declining = True

    less = await change(shop, held, quantity=2)

    assert less.items[0].quantity == 2
    with pytest.raises(PaymentNeededError):
        await change(shop, held, quantity=4)


async def test_the_same_key_changes_once(shop: Shop) -> None:
    held = await bought(shop)

    first = await change(shop, held, plan="team", key="k")
    second = await change(shop, held, plan="team", key="k")

    assert first == second
    assert shop.provider.calls.count("change_subscription") == 1


async def test_the_same_key_for_another_wish_is_a_conflict(shop: Shop) -> None:
    held = await bought(shop, "seats", 3)
    await change(shop, held, quantity=2, key="k")

    with pytest.raises(KeyConflictError):
        await change(shop, held, quantity=1, key="k")


async def test_a_declined_change_that_waits_for_no_payment_needs_another_key(shop: Shop) -> None:
    held = await bought(shop)
    shop.provider.is_declining = True
    with pytest.raises(PaymentNeededError):
        await change(shop, held, plan="team", key="k")
    shop.provider.is_declining = False

    for _ in range(2):
        with pytest.raises(ProviderRefusedError, match="another key"):
            await change(shop, held, plan="team", key="k")
    assert (await change(shop, held, plan="team", key="another")).items[0].plan == "team"


@pytest.mark.parametrize(
    ("plan", "quantity", "item", "error"),
    [
        ("reader", None, None, NotPossibleError),
        (None, 1, None, NotPossibleError),
        (None, 0, None, NotPossibleError),
        (None, 2, None, NotPossibleError),
        ("lifetime", None, None, NotPossibleError),
        ("gold", None, None, UnknownPlanError),
        ("team", None, "si_of_another", NotFoundError),
    ],
)
async def test_change_that_cannot_be_is_refused_before_anybody_is_asked(
    shop: Shop, plan: str | None, quantity: int | None, item: str | None, error: type[Exception]
) -> None:
    held = await bought(shop)

    with pytest.raises(error):
        await change(shop, held, plan=plan, quantity=quantity, item=item)

    assert "change_subscription" not in shop.provider.calls


async def test_item_has_to_be_named_where_there_are_several(shop: Shop) -> None:
    held = await bought(shop)
    known = shop.provider.subscriptions[held.psp_sub_id]
    second = replace(known.items[0], psp_item_id="si_2", psp_price_id="price_seats_1")
    shop.provider.subscriptions[held.psp_sub_id] = replace(known, items=(*known.items, second))
    await shop.see(f"subscription:{held.psp_sub_id}")

    with pytest.raises(NotPossibleError):
        await change(shop, held, quantity=4)
    after = await change(shop, held, quantity=4, item="si_2")

    assert {item.plan: item.quantity for item in after.items} == {"reader": 1, "seats": 4}


@pytest.mark.parametrize(
    "status", [SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID, SubscriptionStatus.PAUSED]
)
async def test_what_is_owed_is_mended_before_it_is_changed(
    shop: Shop, status: SubscriptionStatus
) -> None:
    held = await bought(shop)
    shop.provider.change(held.psp_sub_id, status=status)
    await shop.see(f"subscription:{held.psp_sub_id}")

    with pytest.raises(NotPossibleError):
        await change(shop, held, plan="team")


async def test_cancelled_now_it_shuts_now(shop: Shop) -> None:
    held = await bought(shop)

    after = await shop.changes.cancel(shop.client_id, held.id, at_period_end=False, cause=CAUSE)

    assert after.status is SubscriptionStatus.ENDED
    assert await shop.outcome() is Outcome.PAY


async def test_what_has_ended_cannot_be_changed(shop: Shop) -> None:
    held = await bought(shop)
    await shop.changes.cancel(shop.client_id, held.id, at_period_end=False, cause=CAUSE)

    with pytest.raises(NotPossibleError):
        await shop.changes.resume(shop.client_id, held.id, cause=CAUSE)


async def test_cancelled_and_resumed_and_cancelled_again(shop: Shop) -> None:
    held = await bought(shop)
    states = []

    for at_period_end in (True, None, True):
        if at_period_end is None:
            after = await shop.changes.resume(shop.client_id, held.id, cause=CAUSE)
        else:
            after = await shop.changes.cancel(
                shop.client_id, held.id, at_period_end=True, cause=CAUSE
            )
        states.append(after.status)

    assert states == ["canceling", "active", "canceling"]


async def test_every_wish_is_in_the_audit_log_with_who_had_it(shop: Shop) -> None:
    held = await bought(shop)

    await change(shop, held, plan="team")

    async with shop.database.connection() as connection:
        row = await connection.fetchrow("select * from audit where action = 'command.change'")
    assert row is not None
    assert row["actor"] == "api:test"
    assert row["after"]["plan"] == "team"


@pytest.mark.parametrize("subscription_id", [_NOBODY, "no id at all"])
async def test_what_is_not_there_is_not_found(shop: Shop, subscription_id: str) -> None:
    with pytest.raises(NotFoundError):
        await shop.changes.resume(shop.client_id, subscription_id, cause=CAUSE)


async def test_plan_of_another_interval_is_not_changed_into(shop: Shop) -> None:
    held = await bought(shop)
    team = shop.catalog.get("team")
    shop.catalog._for_sale["team"] = replace(team, interval=Interval.YEAR)

    with pytest.raises(NotPossibleError, match="another interval"):
        await change(shop, held, plan="team")
