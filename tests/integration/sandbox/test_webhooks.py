"""What the sandbox sends: signed as Stripe signs, shaped as Stripe shapes, until it is taken."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.errors import BadEventError
from billing.model import ObjectKind
from billing.providers.stripe import SIGNATURE_TOLERANCE_S, Stripe
from tests.support.sandbox import (
    FAILS_LATER,
    WEBHOOK_SECRET,
    Received,
    Receiver,
    Sandbox,
    run_sandbox,
)

SHAPES: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "demo/sandbox/shapes.json").read_text()
)


def types_of(webhooks: list[Received]) -> list[str]:
    return [json.loads(received.body)["type"] for received in webhooks]


async def test_purchase_is_told_in_signed_events(sandbox: Sandbox) -> None:
    await sandbox.buy()

    webhooks = await sandbox.told()

    now = datetime.fromtimestamp(sandbox.wall.now_s, UTC)
    events = [sandbox.stripe.verify(w.body, w.headers, now) for w in webhooks]
    kinds = {event.type: event.object_kind for event in events}
    assert kinds["checkout.session.completed"] is ObjectKind.CHECKOUT
    assert kinds["customer.subscription.created"] is ObjectKind.SUBSCRIPTION
    assert kinds["invoice.paid"] is ObjectKind.SUBSCRIPTION
    assert len({event.external_id for event in events}) == len(events)


async def test_every_object_has_every_field_that_stripe_publishes(sandbox: Sandbox) -> None:
    sub_id = await sandbox.buy(card=FAILS_LATER)
    await sandbox.stripe.cancel_at_period_end(sub_id)
    await sandbox.stripe.resume(sub_id)
    await sandbox.move(days=32)

    webhooks = await sandbox.told()

    for received in webhooks:
        event = json.loads(received.body)
        body = event["data"]["object"]
        assert not SHAPES["event"].keys() - event.keys(), event["type"]
        assert not SHAPES[body["object"]].keys() - body.keys(), event["type"]


async def test_failed_renewal_is_told(sandbox: Sandbox) -> None:
    await sandbox.buy(card=FAILS_LATER)
    before = len(await sandbox.told())

    await sandbox.move(days=32)

    later = types_of((await sandbox.told())[before:])
    assert "invoice.payment_failed" in later
    assert "customer.subscription.updated" in later
    assert "invoice.paid" not in later


@pytest.mark.parametrize("status", [500, 302, 404])
async def test_event_that_is_not_taken_comes_again(
    sandbox: Sandbox, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    await sandbox.buy()
    first, *others = await sandbox.told()
    receiver.status = 200
    event_id = json.loads(first.body)["id"]

    answer, _ = await sandbox.post(f"/sandbox/events/{event_id}/resend", {})

    bodies = [w.body for w in await receiver.wait_for(len(others) + 2)]
    assert answer == 303
    assert bodies.count(first.body) >= 2


async def test_event_that_was_not_taken_is_delivered_after_a_restart(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.status = 503
    async with run_sandbox(tmp_path, receiver) as first:
        await first.buy()
        failed = {w.body for w in await first.told()}
    receiver.webhooks.clear()
    receiver.status = 200

    async with run_sandbox(tmp_path, receiver):
        taken = {w.body for w in await receiver.wait_for(len(failed))}

    assert failed <= taken


def signature(body: bytes, secret: str, at_s: int) -> str:
    mac = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={mac.hexdigest()}"


NOW = datetime(2026, 12, 1, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
BODY = json.dumps(
    {
        "id": "evt_1",
        "type": "invoice.paid",
        "livemode": False,
        "created": NOW_S,
        "data": {"object": {"id": "in_1", "subscription": "sub_1"}},
    }
).encode()
GOOD = signature(BODY, WEBHOOK_SECRET, NOW_S)


async def make_verifier() -> Stripe:
    return Stripe(
        api_url="http://127.0.0.1:9",
        secret_key="sk_test_x",
        webhook_secrets=("whsec_old", WEBHOOK_SECRET),
        livemode=False,
        timeout_s=1,
        retries=0,
    )


@pytest.mark.parametrize("secret", ["whsec_old", WEBHOOK_SECRET])
async def test_each_secret_is_good_while_they_rotate(secret: str) -> None:
    stripe = await make_verifier()

    event = stripe.verify(BODY, {"Stripe-Signature": signature(BODY, secret, NOW_S)}, NOW)
    await stripe.close()

    assert event.external_id == "evt_1"


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (BODY, ""),
        (BODY, "nonsense"),
        (BODY, f"t={NOW_S}"),
        (BODY, f"t={NOW_S},v1="),
        (BODY, f"t=x,v1={GOOD.partition('v1=')[2]}"),
        (BODY, GOOD.replace("v1=", "v0=")),
        (BODY, GOOD.replace(f"t={NOW_S}", f"t={NOW_S + 1}")),
        (BODY + b" ", GOOD),
        (BODY.replace(b"sub_1", b"sub_2"), GOOD),
        (BODY, signature(BODY, "whsec_wrong", NOW_S)),
        (BODY, signature(BODY, "", NOW_S)),
        (b"", signature(b"", WEBHOOK_SECRET, NOW_S)),
        (b"[]", signature(b"[]", WEBHOOK_SECRET, NOW_S)),
        (b"{}", signature(b"{}", WEBHOOK_SECRET, NOW_S)),
        (b"\xff", signature(b"\xff", WEBHOOK_SECRET, NOW_S)),
        (b'{"id":1,"type":2}', signature(b'{"id":1,"type":2}', WEBHOOK_SECRET, NOW_S)),
    ],
)
async def test_what_is_forged_or_no_event_is_refused(body: bytes, header: str) -> None:
    stripe = await make_verifier()

    with pytest.raises(BadEventError):
        stripe.verify(body, {"Stripe-Signature": header}, NOW)
    await stripe.close()


@pytest.mark.parametrize("by_s", [-SIGNATURE_TOLERANCE_S - 1, SIGNATURE_TOLERANCE_S + 1])
async def test_signature_of_another_time_is_refused_in_both_directions(by_s: int) -> None:
    stripe = await make_verifier()

    with pytest.raises(BadEventError, match="too old, or dated ahead"):
        stripe.verify(BODY, {"Stripe-Signature": GOOD}, NOW + timedelta(seconds=by_s))
    await stripe.close()
