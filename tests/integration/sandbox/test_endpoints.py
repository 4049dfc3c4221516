"""Webhook endpoints: several at once, each with its own events, shape and secret."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import stripe
from stripe import WebhookSignature

from tests.support.sandbox import (
    API_KEY,
    WEBHOOK_SECRET,
    Delivery,
    Receiver,
    Sandbox,
    Shop,
    run_receiver,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A second endpoint, made by the API, and who listens behind it."""

    id: str
    secret: str
    receiver: Receiver


async def _make(sandbox: Sandbox, receiver: Receiver, **fields: str) -> Endpoint:
    given = {"url": receiver.url, "enabled_events[0]": "*"} | fields
    answer = await sandbox.api("POST", "/v1/webhook_endpoints", given)
    assert answer.status == 200, answer.text
    return Endpoint(answer.json()["id"], answer.json()["secret"], receiver)


@pytest.fixture
async def second() -> AsyncIterator[Receiver]:
    async with run_receiver() as running:
        yield running


def _is_signed(delivery: Delivery, secret: str) -> bool:
    field = delivery.headers["Stripe-Signature"]
    try:
        # Tolerance 0 switches the look at the time off: the sandbox's wall is a fake one.
        return bool(WebhookSignature.verify_header(delivery.body, field, secret, 0))
    except stripe.SignatureVerificationError:
        return False


async def test_endpoint_of_the_command_line_is_one_of_them(sandbox: Sandbox) -> None:
    answer = await sandbox.api("GET", "/v1/webhook_endpoints")

    (own,) = answer.json()["data"]
    assert own["status"] == "enabled"
    assert own["enabled_events"] == ["*"]
    assert "secret" not in own


async def test_secret_is_shown_once(shop: Shop, second: Receiver) -> None:
    endpoint = await _make(shop.sandbox, second)

    answer = await shop.sandbox.api("GET", f"/v1/webhook_endpoints/{endpoint.id}")

    assert endpoint.secret.startswith("whsec_")
    assert endpoint.secret not in answer.text


async def test_every_endpoint_gets_every_event_signed_with_its_own_secret(
    shop: Shop, second: Receiver
) -> None:
    endpoint = await _make(shop.sandbox, second)

    await shop.buy()
    await shop.sandbox.settle()

    assert sorted(second.types()) == sorted(shop.receiver.types())
    assert all(_is_signed(d, endpoint.secret) for d in second.deliveries)
    assert not any(_is_signed(d, WEBHOOK_SECRET) for d in second.deliveries)
    assert all(_is_signed(d, WEBHOOK_SECRET) for d in shop.receiver.deliveries)


async def test_endpoint_gets_the_events_that_it_asked_for(shop: Shop, second: Receiver) -> None:
    await _make(shop.sandbox, second, **{"enabled_events[0]": "invoice.paid"})

    await shop.buy()
    await shop.sandbox.settle()

    assert second.types() == ["invoice.paid"]


async def test_endpoint_of_an_old_version_gets_the_old_shape(shop: Shop, second: Receiver) -> None:
    await _make(shop.sandbox, second, api_version="2024-06-20")
    sub_id = await shop.subscribe()
    await shop.sandbox.settle()

    old = (await second.wait_for("customer.subscription.created")).event
    new = (await shop.receiver.wait_for("customer.subscription.created")).event
    invoice = (await second.wait_for("invoice.paid")).event["data"]["object"]
    intent = (await second.wait_for("payment_intent.succeeded")).event["data"]["object"]

    assert old["api_version"] == "2024-06-20"
    subscription, today = old["data"]["object"], new["data"]["object"]
    item = today["items"]["data"][0]
    assert subscription["current_period_end"] == item["current_period_end"]
    assert "current_period_end" not in subscription["items"]["data"][0]
    assert "current_period_end" not in today
    assert (invoice["subscription"], invoice["paid"]) == (sub_id, True)
    assert "parent" not in invoice
    assert invoice["payment_intent"] == intent["id"]
    assert intent["invoice"] == invoice["id"]
    assert invoice["lines"]["data"][0]["price"]["object"] == "price"


async def test_renewal_in_the_old_shape_names_the_former_period(
    shop: Shop, second: Receiver
) -> None:
    await _make(shop.sandbox, second, api_version="2024-06-20")
    await shop.subscribe()
    await shop.sandbox.advance(31)

    data = (await second.wait_for("customer.subscription.updated")).event["data"]

    former = data["previous_attributes"]["current_period_end"]
    assert former == data["object"]["current_period_start"]


async def test_disabled_endpoint_gets_nothing_any_more(shop: Shop, second: Receiver) -> None:
    endpoint = await _make(shop.sandbox, second)
    path = f"/v1/webhook_endpoints/{endpoint.id}"

    answer = await shop.sandbox.api("POST", path, {"disabled": "true"})
    await shop.buy()
    await shop.sandbox.settle()

    assert answer.json()["status"] == "disabled"
    assert second.deliveries == []
    assert shop.receiver.deliveries != []


async def test_deleted_endpoint_is_gone_with_what_it_had_still_to_get(
    shop: Shop, second: Receiver
) -> None:
    endpoint = await _make(shop.sandbox, second)
    second.status = 500
    await shop.buy()
    await shop.sandbox.settle()
    path = f"/v1/webhook_endpoints/{endpoint.id}"

    answer = await shop.sandbox.api("DELETE", path)

    assert answer.json() == {"id": endpoint.id, "object": "webhook_endpoint", "deleted": True}
    assert (await shop.sandbox.api("GET", path)).status == 404
    assert (await shop.sandbox.state())["deliveries_pending"] == 0


async def test_endpoint_can_be_moved(shop: Shop, second: Receiver) -> None:
    own = (await shop.sandbox.api("GET", "/v1/webhook_endpoints")).json()["data"][0]
    path = f"/v1/webhook_endpoints/{own['id']}"

    await shop.sandbox.api("POST", path, {"url": second.url})
    await shop.buy()
    await shop.sandbox.settle()

    assert shop.receiver.deliveries == []
    assert "checkout.session.completed" in second.types()


async def test_both_secrets_sign_while_one_is_rolled(shop: Shop, second: Receiver) -> None:
    endpoint = await _make(shop.sandbox, second, **{"enabled_events[0]": "invoice.paid"})
    path = f"webhook_endpoints/{endpoint.id}"
    rolled = await shop.sandbox.control("POST", path, {"overlap_s": 3600})

    await shop.buy()
    await shop.sandbox.settle()
    (delivery,) = second.deliveries

    assert delivery.headers["Stripe-Signature"].count("v1=") == 2
    assert _is_signed(delivery, endpoint.secret)
    assert _is_signed(delivery, rolled["secret"])


async def test_old_secret_signs_no_more_after_the_overlap(shop: Shop, second: Receiver) -> None:
    endpoint = await _make(shop.sandbox, second, **{"enabled_events[0]": "invoice.paid"})
    path = f"webhook_endpoints/{endpoint.id}"
    rolled = await shop.sandbox.control("POST", path, {"overlap_s": 3600})
    shop.clock.move(seconds=3601)

    await shop.buy()
    await shop.sandbox.settle()
    (delivery,) = second.deliveries

    assert not _is_signed(delivery, endpoint.secret)
    assert _is_signed(delivery, rolled["secret"])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"url": ""}, "url"),
        ({"url": "nowhere"}, "url"),
        ({"url": "ftp://x.example/"}, "url"),
        ({"enabled_events": ""}, "enabled_events"),
        ({"api_version": "yesterday"}, "api_version"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_wrong_endpoint_is_refused(
    sandbox: Sandbox, fields: dict[str, str], param: str
) -> None:
    usual = {"url": "https://x.example/", "enabled_events[0]": "*"}
    if "enabled_events" in fields:
        del usual["enabled_events[0]"]

    answer = await sandbox.api("POST", "/v1/webhook_endpoints", usual | fields)

    assert answer.status == 400
    assert answer.json()["error"]["param"] == param


async def test_endpoints_are_bounded(sandbox: Sandbox) -> None:
    usual = {"url": "https://x.example/", "enabled_events[0]": "no.such"}

    answers = [await sandbox.api("POST", "/v1/webhook_endpoints", usual) for _ in range(16)]

    assert [answer.status for answer in answers] == [200] * 15 + [400]


@pytest.mark.parametrize(
    ("payload", "kinds"),
    [
        ("snapshot", {"event"}),
        ("thin", {"v2.core.event"}),
        ("both", {"event", "v2.core.event"}),
    ],
)
async def test_endpoint_gets_the_payload_that_is_set_for_it(
    shop: Shop, second: Receiver, payload: str, kinds: set[str]
) -> None:
    endpoint = await _make(shop.sandbox, second)
    await shop.sandbox.control("POST", f"webhook_endpoints/{endpoint.id}", {"payload": payload})

    await shop.buy()
    await shop.sandbox.settle()

    assert {d.event["object"] for d in second.deliveries} == kinds
    assert {d.event["object"] for d in shop.receiver.deliveries} == {"event"}


@pytest.fixture
async def thin(shop: Shop, second: Receiver) -> Delivery:
    """Return a thin event about a subscription."""
    endpoint = await _make(
        shop.sandbox, second, **{"enabled_events[0]": "customer.subscription.created"}
    )
    await shop.sandbox.control("POST", f"webhook_endpoints/{endpoint.id}", {"payload": "thin"})
    await shop.subscribe()
    await shop.sandbox.settle()
    (delivery,) = second.deliveries
    return delivery


async def test_sdk_parses_a_thin_event_and_fetches_what_it_is_about(
    shop: Shop, thin: Delivery
) -> None:
    client = stripe.StripeClient(
        API_KEY,
        base_addresses={"api": shop.sandbox.url},
        http_client=stripe.AIOHTTPClient(session=shop.sandbox.http),
    )

    parsed: Any = client.parse_event_notification_without_verification(thin.body)
    # Not `fetch_related_object_async`: 16.1 sends its own `usage` along as a parameter.
    subscription = await client.v1.subscriptions.retrieve_async(parsed.related_object.id)
    event = await client.v2.core.events.retrieve_async(parsed.id)

    assert type(parsed).__name__ == "V1CustomerSubscriptionCreatedEventNotification"
    assert parsed.related_object.type == "subscription"
    assert subscription.id == parsed.related_object.id
    assert event.id == parsed.id
    assert event.snapshot_event == thin.event["snapshot_event"]


async def test_thin_event_names_its_snapshot_twin(shop: Shop, thin: Delivery) -> None:
    answer = await shop.sandbox.api("GET", f"/v1/events/{thin.event['snapshot_event']}")

    assert answer.json()["type"] == "customer.subscription.created"
    assert f"v1.{answer.json()['type']}" == thin.event["type"]
    assert thin.event["created"].endswith("Z")


async def test_twin_of_a_thin_event_is_one_for_all_endpoints(shop: Shop, second: Receiver) -> None:
    await _make(shop.sandbox, second)
    await shop.sandbox.control("POST", "delivery", {"payload": "thin"})

    await shop.buy()
    await shop.sandbox.settle()

    ids = {d.event["id"] for d in shop.receiver.deliveries}
    assert ids == {d.event["id"] for d in second.deliveries}


async def test_thin_event_can_be_read_for_thirty_days(shop: Shop, thin: Delivery) -> None:
    path = f"/v2/core/events/{thin.event['id']}"
    before = await shop.sandbox.api("GET", path)

    await shop.sandbox.advance(31)

    assert before.status == 200
    assert (await shop.sandbox.api("GET", path)).status == 404
