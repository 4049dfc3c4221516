from dataclasses import replace

from policies.model import SubscriptionStatus
from policies.permission import Role
from tests.integration.api.conftest import PUBLIC_URL, Desk


async def test_a_started_payment_waits_at_its_checkout(desk: Desk) -> None:
    client_id = await desk.add_client()

    told = await desk.ask("POST", "/payments", {"client_id": client_id, "plan": "reader"})

    assert told.status == 201, told.text
    assert told.headers["Location"] == f"{PUBLIC_URL}/payments/{told.json['id']}"
    assert told.json["status"] == "open"
    assert told.json["checkout_url"].startswith("https://pay.example/")
    assert (await desk.ask("GET", f"/payments/{told.json['id']}")).json == told.json


async def test_the_client_comes_back_to_the_page_that_was_named(desk: Desk) -> None:
    client_id = await desk.add_client()
    body = {"client_id": client_id, "plan": "reader"}
    begun = await desk.ask(
        "POST", "/payments", body | {"return_url": "https://notes.example.com/a?b=c"}
    )
    session_id = begun.json["checkout_url"].rsplit("/", 1)[1]
    desk.provider.pay(session_id)

    returned = await desk.checkout.finish(session_id)

    assert returned is not None
    assert (returned.host, returned.target) == ("notes.example.com", "/a?b=c")


async def test_nobody_is_sent_to_a_strangers_page(desk: Desk) -> None:
    client_id = await desk.add_client()
    body = {"client_id": client_id, "plan": "reader", "return_url": "https://evil.example/"}

    told = await desk.ask("POST", "/payments", body)

    assert told.status == 422
    assert told.json["errors"][0]["pointer"] == "/return_url"
    assert not desk.provider.calls


async def test_a_paid_payment_says_so_and_names_its_subscription(desk: Desk) -> None:
    client_id = await desk.add_client()

    payment_id = await desk.buy(client_id)

    told = await desk.ask("GET", f"/payments/{payment_id}")
    assert (told.json["status"], told.json["checkout_url"]) == ("paid", None)
    assert told.json["subscription_id"] == (await desk.subscription_of(client_id))["id"]


async def test_a_plan_that_is_held_is_not_sold_again(desk: Desk) -> None:
    client_id = await desk.add_client()
    await desk.buy(client_id)

    told = await desk.ask("POST", "/payments", {"client_id": client_id, "plan": "reader"})

    assert told.status == 409
    assert told.json["type"].endswith("/already-held")
    assert told.json["subscription_id"] == (await desk.subscription_of(client_id))["id"]


async def buy_and_owe(desk: Desk) -> str:
    client_id = await desk.add_client()
    await desk.buy(client_id)
    (sub_id,) = desk.provider.subscriptions
    held = desk.provider.subscriptions[sub_id]
    desk.provider.subscriptions[sub_id] = replace(
        held, status=SubscriptionStatus.PAST_DUE, raw_status="past_due"
    )
    await desk.see(f"subscription:{sub_id}")
    return client_id


async def test_whose_payment_failed_is_told_where_to_mend_it(desk: Desk) -> None:
    client_id = await buy_and_owe(desk)
    body = {"client_id": client_id, "plan": "reader"}

    told = await desk.ask("POST", "/payments", body)
    begun = await desk.ask("POST", "/subscriptions", body)

    assert (told.status, begun.status) == (409, 409)
    assert told.json["url"].startswith("https://pay.example/portal/cus_")
    assert begun.json["url"] == told.json["url"]


async def test_without_the_portals_scope_its_address_is_not_told(desk: Desk) -> None:
    client_id = await buy_and_owe(desk)
    token = await desk.token_of(Role.ADMIN, "seller", frozenset({"payments:write"}))

    told = await desk.ask(
        "POST", "/payments", {"client_id": client_id, "plan": "reader"}, token=token
    )

    assert told.status == 409
    assert "url" not in told.json


async def test_a_portal_that_does_not_open_leaves_the_answer_as_it_is(desk: Desk) -> None:
    client_id = await buy_and_owe(desk)
    desk.provider.is_down = True

    told = await desk.ask("POST", "/payments", {"client_id": client_id, "plan": "reader"})

    assert told.status == 409
    assert "url" not in told.json


async def test_a_plan_that_is_not_for_sale_is_told_where_it_stands(desk: Desk) -> None:
    client_id = await desk.add_client()

    told = await desk.ask("POST", "/payments", {"client_id": client_id, "plan": "silver"})

    assert told.status == 422
    assert told.json["type"].endswith("/unknown-plan")
    assert told.json["errors"][0]["pointer"] == "/plan"


async def test_nothing_is_sold_to_a_client_who_is_not_there(desk: Desk) -> None:
    nobody = "6f1c2a54-0b3e-4b8e-9d0a-2f9f3a1f7c11"

    told = await desk.ask("POST", "/payments", {"client_id": nobody, "plan": "reader"})

    assert told.status == 404


async def test_a_list_goes_on_where_it_ended_and_ends(desk: Desk) -> None:
    client_id = await desk.add_client()
    for plan in ("reader", "wiki", "lifetime"):
        await desk.ask("POST", "/payments", {"client_id": client_id, "plan": plan})
        desk.clock.move(seconds=1)

    first = await desk.ask("GET", f"/payments?client_id={client_id}&limit=2")
    path = first.json["next"].removeprefix(PUBLIC_URL)
    second = await desk.ask("GET", path)

    assert [p["plan"] for p in first.json["items"]] == ["lifetime", "wiki"]
    assert first.headers["Link"] == f'<{first.json["next"]}>; rel="next"'
    assert f"client_id={client_id}" in path
    assert [p["plan"] for p in second.json["items"]] == ["reader"]
    assert second.json["next"] is None
    assert "Link" not in second.headers


async def test_money_goes_back_in_parts_and_never_more_than_was_paid(desk: Desk) -> None:
    payment_id = await desk.buy(await desk.add_client())
    path = f"/payments/{payment_id}/refunds"

    part = await desk.ask("POST", path, {"amount_minor": 200, "reason": "r"})
    too_much = await desk.ask("POST", path, {"amount_minor": 400, "reason": "r"})
    rest = await desk.ask("POST", path, {"reason": "r"})

    assert (part.status, too_much.status, rest.status) == (201, 409, 201)
    assert (part.json["amount_minor"], rest.json["amount_minor"]) == (200, 300)
    told = await desk.ask("GET", f"/payments/{payment_id}")
    assert (told.json["status"], told.json["refunded_minor"]) == ("refunded", 500)


async def test_a_refund_that_is_sent_again_is_given_once(desk: Desk) -> None:
    payment_id = await desk.buy(await desk.add_client())
    path, wish = f"/payments/{payment_id}/refunds", {"amount_minor": 100, "reason": "r"}

    for _ in range(3):
        told = await desk.ask("POST", path, wish, Idempotency_Key="once")
        assert told.status == 201

    assert (await desk.ask("GET", f"/payments/{payment_id}")).json["refunded_minor"] == 100


async def test_a_payment_that_is_still_open_cannot_go_back(desk: Desk) -> None:
    client_id = await desk.add_client()
    begun = await desk.ask("POST", "/payments", {"client_id": client_id, "plan": "reader"})

    told = await desk.ask("POST", f"/payments/{begun.json['id']}/refunds", {"reason": "r"})

    assert told.status == 409
