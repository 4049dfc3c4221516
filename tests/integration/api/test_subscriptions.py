from typing import Any

import pytest

from tests.integration.api.conftest import Desk


async def test_a_new_subscription_is_pending_until_it_is_paid_for(desk: Desk) -> None:
    client_id = await desk.add_client()

    told = await desk.ask("POST", "/subscriptions", {"client_id": client_id, "plan": "reader"})

    assert (told.status, told.json["status"], told.json["id"]) == (200, "pending", None)
    session_id = told.json["checkout_url"].rsplit("/", 1)[1]
    desk.provider.pay(session_id)
    await desk.checkout.finish(session_id)
    held = await desk.subscription_of(client_id)
    assert held["status"] == "active"
    assert [item["plan"] for item in held["items"]] == ["reader"]
    payment = await desk.ask("GET", f"/payments/{told.json['payment_id']}")
    assert payment.json["subscription_id"] == held["id"]


async def test_what_is_paid_once_is_no_subscription(desk: Desk) -> None:
    client_id = await desk.add_client()

    told = await desk.ask("POST", "/subscriptions", {"client_id": client_id, "plan": "lifetime"})

    assert told.status == 422
    assert told.json["errors"][0]["pointer"] == "/plan"


async def test_the_only_live_subscription_is_meant_where_none_is_named(desk: Desk) -> None:
    client_id = await desk.add_client()
    await desk.buy(client_id)

    cancelled = await desk.ask(
        "POST", "/subscriptions", {"client_id": client_id, "cancel_at_period_end": True}
    )
    resumed = await desk.ask(
        "POST", "/subscriptions", {"client_id": client_id, "cancel_at_period_end": False}
    )

    assert (cancelled.json["status"], resumed.json["status"]) == ("canceling", "active")
    assert cancelled.json["cancel_at"] is not None
    assert resumed.json["cancel_at"] is None


async def test_of_two_live_ones_neither_is_guessed(desk: Desk) -> None:
    client_id = await desk.add_client()
    await desk.buy(client_id, "reader")
    await desk.buy(client_id, "wiki")

    told = await desk.ask(
        "POST", "/subscriptions", {"client_id": client_id, "cancel_at_period_end": True}
    )

    assert told.status == 422
    assert told.json["errors"][0]["pointer"] == "/subscription_id"


async def test_a_plan_is_changed_once_it_is_paid_for(desk: Desk) -> None:
    client_id = await desk.add_client()
    await desk.buy(client_id)
    wish = {
        "client_id": client_id,
        "subscription_id": (await desk.subscription_of(client_id))["id"],
        "plan": "gold",
    }
    desk.provider.is_declining = True
    declined = await desk.ask("POST", "/subscriptions", wish)
    desk.provider.is_declining = False

    paid = await desk.ask("POST", "/subscriptions", wish)

    assert (declined.status, paid.status) == (402, 200)
    assert declined.json["type"].endswith("/payment-needed")
    assert [item["plan"] for item in paid.json["items"]] == ["gold"]


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({}, ""),
        ({"plan": "team", "cancel_at_period_end": True}, "/cancel_at_period_end"),
        ({"quantity": 2, "item": "si_1"}, "/item"),
    ],
)
async def test_a_wish_for_nothing_or_for_two_things_is_refused(
    desk: Desk, wish: dict[str, Any], pointer: str
) -> None:
    client_id = await desk.add_client()

    told = await desk.ask("POST", "/subscriptions", {"client_id": client_id, **wish})

    assert told.status == 422
    assert [error["pointer"] for error in told.json["errors"]] == [pointer]


async def test_anothers_subscription_cannot_be_changed_in_ones_name(desk: Desk) -> None:
    ann, bob = await desk.add_client("demo:ann"), await desk.add_client("demo:bob")
    await desk.buy(bob)
    bobs = (await desk.subscription_of(bob))["id"]

    told = await desk.ask(
        "POST",
        "/subscriptions",
        {"client_id": ann, "subscription_id": bobs, "cancel_at_period_end": True},
    )

    assert told.status == 404
    assert (await desk.subscription_of(bob))["status"] == "active"


@pytest.mark.parametrize(
    ("query", "status"),
    [("", "canceling"), ("?at_period_end=true", "canceling"), ("?at_period_end=false", "ended")],
)
async def test_a_subscription_ends_with_what_is_paid_or_at_once(
    desk: Desk, query: str, status: str
) -> None:
    client_id = await desk.add_client()
    await desk.buy(client_id)
    held = await desk.subscription_of(client_id)

    told = await desk.ask("DELETE", f"/subscriptions/{held['id']}{query}")

    assert (told.status, told.json["status"]) == (200, status)
