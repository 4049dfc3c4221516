"""How badly events travel, as the knobs say."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo.sandbox.app import COURIER, LEDGER, Settings, create_app
from tests.support.clock import FakeClock
from tests.support.sandbox import (
    API_KEY,
    WEBHOOK_SECRET,
    Receiver,
    Sandbox,
    Shop,
    run_sandbox,
)


async def _turn(sandbox: Sandbox, **knobs: Any) -> None:
    await sandbox.control("POST", "delivery", knobs)


async def _ids(sandbox: Sandbox, query: str = "") -> list[str]:
    answer = await sandbox.api("GET", f"/v1/events?limit=100{query}")
    return [event["id"] for event in answer.json()["data"]][::-1]


async def test_duplicates_are_the_same_bytes_twice(shop: Shop) -> None:
    await _turn(shop.sandbox, duplicate=1)

    await shop.buy()
    await shop.sandbox.settle()

    assert set(Counter(d.body for d in shop.receiver.deliveries).values()) == {2}


async def test_dropped_events_stay_listed_as_not_delivered(shop: Shop) -> None:
    await _turn(shop.sandbox, drop=1)

    await shop.buy()
    await shop.sandbox.settle()

    assert shop.receiver.deliveries == []
    assert (await shop.sandbox.state())["deliveries_pending"] == 0
    lost = await _ids(shop.sandbox, "&delivery_success=false")
    assert lost == await _ids(shop.sandbox)
    assert len(lost) == (await shop.sandbox.state())["events"]


async def test_dropped_event_can_be_sent_again(shop: Shop) -> None:
    await _turn(shop.sandbox, drop=1)
    await shop.buy()
    await _turn(shop.sandbox)
    (first, *_) = await _ids(shop.sandbox)

    await shop.sandbox.ask("POST", f"/sandbox/events/{first}/resend")

    assert [d.event["id"] for d in shop.receiver.deliveries] == [first]


async def test_events_arrive_in_their_order_one_by_one(shop: Shop) -> None:
    await _turn(shop.sandbox, at_once=1)

    await shop.buy()
    await shop.sandbox.settle()

    assert [d.event["id"] for d in shop.receiver.deliveries] == await _ids(shop.sandbox)


async def test_reordered_events_all_arrive_in_another_order(shop: Shop) -> None:
    await _turn(shop.sandbox, at_once=1, reorder=5, seed=4)

    await shop.buy()
    await shop.sandbox.settle()

    arrived = [d.event["id"] for d in shop.receiver.deliveries]
    made = await _ids(shop.sandbox)
    assert sorted(arrived) == sorted(made)
    assert arrived != made


async def test_delayed_events_wait_by_the_wall_clock(shop: Shop) -> None:
    await _turn(shop.sandbox, delay_s=[60, 120])
    await shop.buy()
    await shop.sandbox.settle()
    early = len(shop.receiver.deliveries)

    shop.clock.move(seconds=121)
    await shop.sandbox.settle()

    assert early == 0
    assert len(shop.receiver.deliveries) == (await shop.sandbox.state())["events"]


async def test_burst_shares_one_second(shop: Shop) -> None:
    await _turn(shop.sandbox, same_second_s=3600)
    sub_id = await shop.subscribe()
    shop.clock.move(seconds=1800)
    await shop.stripe.cancel_at_period_end(sub_id, key="cancel-1")

    await shop.sandbox.settle()

    assert "customer.subscription.updated" in shop.receiver.types()
    assert len({d.event["created"] for d in shop.receiver.deliveries}) == 1


async def test_burst_ends_after_its_time(shop: Shop) -> None:
    await _turn(shop.sandbox, same_second_s=60)
    await shop.subscribe()
    await shop.sandbox.advance(31)

    assert len({d.event["created"] for d in shop.receiver.deliveries}) == 2


async def test_old_shape_and_both_payloads_can_be_had_by_knob(shop: Shop) -> None:
    await _turn(shop.sandbox, old_shape=True, payload="both")
    await shop.buy()
    await shop.sandbox.settle()

    events = [d.event for d in shop.receiver.deliveries]

    count = (await shop.sandbox.state())["events"]
    kinds = Counter(event["object"] for event in events)
    assert kinds == {"event": count, "v2.core.event": count}
    versions = {event.get("api_version") for event in events if event["object"] == "event"}
    assert versions == {"2024-06-20"}


async def test_held_events_go_out_in_the_order_given(shop: Shop) -> None:
    await _turn(shop.sandbox, hold=True, at_once=1)
    await shop.buy()
    await shop.sandbox.settle()
    held = await _ids(shop.sandbox)
    before = list(shop.receiver.deliveries)
    order = [held[3], held[0], held[5]]

    answer = await shop.sandbox.control("POST", "deliveries/release", {"events": order})
    await shop.sandbox.settle()

    assert before == []
    assert [d.event["id"] for d in shop.receiver.deliveries] == order
    assert answer == {"released": 3, "held": [i for i in held if i not in order]}


async def test_all_that_is_held_can_go_out_backwards(shop: Shop) -> None:
    await _turn(shop.sandbox, hold=True, at_once=1)
    await shop.buy()

    await shop.sandbox.control("POST", "deliveries/release", {"order": "reversed"})
    await shop.sandbox.settle()

    assert [d.event["id"] for d in shop.receiver.deliveries] == (await _ids(shop.sandbox))[::-1]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("delivery", b'{"drop": 2}'),
        ("delivery", b"{"),
        ("deliveries/release", b'{"events": ["evt_nowhere"]}'),
        ("deliveries/release", b'{"events": "evt_nowhere"}'),
        ("deliveries/release", b'{"order": "sideways"}'),
        ("deliveries/release", b"[]"),
        ("deliveries/release", b"\xff"),
        pytest.param("deliveries/release", b"[" * 100_000, id="release-deep"),
        pytest.param("delivery", b"[" * 100_000, id="delivery-deep"),
        pytest.param("faults", b"[" * 100_000, id="faults-deep"),
        ("webhook_endpoints/we_commandline", b'{"payload": "fat"}'),
        ("webhook_endpoints/we_commandline", b'{"overlap_s": -1}'),
        ("webhook_endpoints/we_commandline", b'{"overlap_s": true}'),
        ("faults", b'{"kind": "flood"}'),
        ("faults", b"{}"),
    ],
)
async def test_wrong_turn_is_told_and_changes_nothing(
    sandbox: Sandbox, path: str, body: bytes
) -> None:
    before = await sandbox.control("GET", "delivery")
    headers = {"Authorization": f"Bearer {API_KEY}"}

    answer = await sandbox.ask("POST", f"/_sandbox/{path}", data=body, headers=headers)

    assert answer.status == 400
    assert answer.json()["error"]["message"]
    assert await sandbox.control("GET", "delivery") == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "delivery"),
        ("POST", "delivery"),
        ("POST", "deliveries/release"),
        ("POST", "webhook_endpoints/we_commandline"),
        ("POST", "faults"),
    ],
)
async def test_nobody_turns_anything_without_the_key(
    sandbox: Sandbox, method: str, path: str
) -> None:
    answer = await sandbox.ask(method, f"/_sandbox/{path}", data=b"{}")

    assert answer.status == 401


async def test_knobs_stay_as_they_are_after_a_restart(
    tmp_path: Path, receiver: Receiver, clock: FakeClock
) -> None:
    async with run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox:
        await _turn(sandbox, hold=True, seed=9)

    async with run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as sandbox:
        knobs = (await sandbox.control("GET", "delivery"))["knobs"]

    assert (knobs["hold"], knobs["seed"]) == (True, 9)


async def test_sandbox_that_does_not_deliver_gives_its_deliveries_away(clock: FakeClock) -> None:
    app = create_app(
        Settings(
            data=None,
            public_url="http://sandbox.example",
            webhook_url="https://shop.example/webhook",
            webhook_secret=WEBHOOK_SECRET,
            api_key=API_KEY,
            catalog=(),
            wall_s=lambda: clock().timestamp(),
            is_delivering=False,
        )
    )
    courier = app[COURIER]
    app[LEDGER].announce("customer.created", {"id": "cus_1", "object": "customer"}, 100)

    (signed,) = courier.sign_due(limit=10)
    courier.mark(signed.pending, None)
    rest = courier.sign_due(limit=10)
    app[LEDGER].store.close()

    assert signed.url == "https://shop.example/webhook"
    assert signed.headers["Stripe-Signature"].startswith("t=")
    assert b'"customer.created"' in signed.pending.body
    assert rest == []
