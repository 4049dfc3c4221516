"""Signatures: what the sandbox sends is taken, and nothing else is."""

from collections.abc import Callable

import pytest

from billing.errors import BadEventError
from billing.facts import ObjectKind, ObjectRef
from demo.sandbox.delivery import sign
from tests.support.clock import FakeClock
from tests.support.sandbox import WEBHOOK_SECRET, Delivery, Shop, run_adapter

Tamper = Callable[[str], str]
_NAME = "Stripe-Signature"


@pytest.fixture
async def delivery(shop: Shop) -> Delivery:
    """Return the delivery that tells of a purchase."""
    await shop.buy()
    return await shop.receiver.wait_for("checkout.session.completed")


async def test_delivered_event_is_authentic(shop: Shop, delivery: Delivery) -> None:
    event = shop.stripe.verify(delivery.body, delivery.headers, shop.clock())

    assert event.external_id == delivery.event["id"]
    assert event.type == "checkout.session.completed"
    assert event.ref == ObjectRef(ObjectKind.CHECKOUT, delivery.event["data"]["object"]["id"])
    assert event.occurred_at == shop.clock()
    assert not event.livemode


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("customer.subscription.created", ObjectKind.SUBSCRIPTION),
        ("invoice.paid", ObjectKind.PAYMENT),
    ],
)
async def test_event_about_money_leads_to_its_object(
    shop: Shop, event_type: str, kind: ObjectKind
) -> None:
    await shop.subscribe()
    delivery = await shop.receiver.wait_for(event_type)

    event = shop.stripe.verify(delivery.body, delivery.headers, shop.clock())

    assert event.ref == ObjectRef(kind, delivery.event["data"]["object"]["id"])


async def test_event_about_nothing_of_ours_has_no_object(shop: Shop, delivery: Delivery) -> None:
    other = await shop.receiver.wait_for("customer.created")

    event = shop.stripe.verify(other.body, other.headers, shop.clock())

    assert event.ref is None


async def test_signature_is_dated_by_the_wall_and_not_by_the_sandbox(shop: Shop) -> None:
    await shop.subscribe()
    await shop.sandbox.advance(31)
    delivery = await shop.receiver.wait_for("customer.subscription.updated")

    event = shop.stripe.verify(delivery.body, delivery.headers, shop.clock())

    assert event.occurred_at > shop.clock()


@pytest.mark.parametrize(
    "tampered",
    [
        lambda body: body + b" ",
        lambda body: body[:-1],
        lambda body: body.replace(b"paid", b"paId", 1),
        lambda _body: b"",
        lambda _body: b"\xff\xfe",
        lambda body: body + b"\x00",
    ],
    ids=["longer", "shorter", "one letter", "empty", "not UTF-8", "a NUL more"],
)
async def test_changed_body_is_refused(
    shop: Shop, delivery: Delivery, tampered: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(BadEventError):
        shop.stripe.verify(tampered(delivery.body), delivery.headers, shop.clock())


_TAMPERED: dict[str, Tamper] = {
    "empty": lambda _: "",
    "no time": lambda field: field.split(",")[1],
    "no signature": lambda field: field.split(",")[0],
    "signature cut short": lambda field: field[:-1],
    "upper case": lambda field: field.upper(),
    "other scheme": lambda field: field.replace("v1=", "v0="),
    "time moved": lambda field: field.replace("t=1", "t=2"),
    "a second later": lambda field: field.replace("00,", "01,"),
    "nonsense": lambda _: "t=,v1=,=,,==",
    "empty signature": lambda field: field.split(",")[0] + ",v1=",
}


@pytest.mark.parametrize("tamper", _TAMPERED.values(), ids=_TAMPERED.keys())
async def test_changed_header_is_refused(shop: Shop, delivery: Delivery, tamper: Tamper) -> None:
    headers = {_NAME: tamper(delivery.headers[_NAME])}

    with pytest.raises(BadEventError):
        shop.stripe.verify(delivery.body, headers, shop.clock())


@pytest.mark.parametrize(
    "field",
    [
        pytest.param("t={now},v1=ä", id="other letters"),
        pytest.param("t={now},v1=\udcff", id="not UTF-8"),
        pytest.param("t=" + "9" * 400 + ",v1=00", id="400 digits"),
        pytest.param("t=" + "9" * 5000 + ",v1=00", id="5000 digits"),
        pytest.param("t=-1,v1=00", id="negative time"),
    ],
)
async def test_hostile_header_is_refused_like_any_other(
    shop: Shop, delivery: Delivery, field: str
) -> None:
    headers = {_NAME: field.replace("{now}", str(int(shop.clock().timestamp())))}

    with pytest.raises(BadEventError):
        shop.stripe.verify(delivery.body, headers, shop.clock())


async def test_missing_header_is_refused(shop: Shop, delivery: Delivery) -> None:
    with pytest.raises(BadEventError, match="no signature"):
        shop.stripe.verify(delivery.body, {}, shop.clock())


@pytest.mark.parametrize("seconds", [-300, 0, 300])
async def test_signature_within_five_minutes_is_taken(
    shop: Shop, delivery: Delivery, seconds: int
) -> None:
    shop.clock.move(seconds=seconds)

    event = shop.stripe.verify(delivery.body, delivery.headers, shop.clock())

    assert event.external_id == delivery.event["id"]


@pytest.mark.parametrize("seconds", [-86_400, -301, 301, 86_400])
async def test_signature_dated_far_from_now_is_refused(
    shop: Shop, delivery: Delivery, seconds: int
) -> None:
    shop.clock.move(seconds=seconds)

    with pytest.raises(BadEventError, match="too old, or dated ahead"):
        shop.stripe.verify(delivery.body, delivery.headers, shop.clock())


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("t={now},{field}", id="new time in front"),
        pytest.param("{field},t={now}", id="new time behind"),
        pytest.param("x=1, t={now},{field}", id="new time after a blank"),
        pytest.param("t=+{old},t={now},{signature}", id="old with a sign"),
        pytest.param("t= {old},t={now},{signature}", id="old with a blank"),
    ],
)
async def test_old_event_is_not_made_new_by_a_second_time(
    shop: Shop, delivery: Delivery, pattern: str
) -> None:
    shop.clock.move(days=1)
    field = delivery.headers[_NAME]
    old, signature = field.removeprefix("t=").split(",")
    now = int(shop.clock().timestamp())
    forged = pattern.format(now=now, old=old, field=field, signature=signature)

    with pytest.raises(BadEventError):
        shop.stripe.verify(delivery.body, {_NAME: forged}, shop.clock())


@pytest.mark.parametrize(
    "secrets",
    [(WEBHOOK_SECRET,), ("whsec_new", WEBHOOK_SECRET), (WEBHOOK_SECRET, "whsec_new")],
    ids=["the only", "the old", "the new"],
)
async def test_event_is_taken_with_each_secret(
    shop: Shop, delivery: Delivery, secrets: tuple[str, ...]
) -> None:
    async with run_adapter(shop.sandbox.url, secrets=secrets) as stripe:
        event = stripe.verify(delivery.body, delivery.headers, shop.clock())

    assert event.external_id == delivery.event["id"]


@pytest.mark.parametrize("secrets", [(), ("whsec_other",), ("",), (WEBHOOK_SECRET + " ",)])
async def test_event_is_refused_without_its_secret(
    shop: Shop, delivery: Delivery, secrets: tuple[str, ...]
) -> None:
    async with run_adapter(shop.sandbox.url, secrets=secrets) as stripe:
        with pytest.raises(BadEventError):
            stripe.verify(delivery.body, delivery.headers, shop.clock())


async def test_empty_secret_signs_nothing(shop: Shop, clock: FakeClock) -> None:
    headers = {_NAME: sign(b"{}", "", int(clock().timestamp()))}

    async with run_adapter(shop.sandbox.url, secrets=("",)) as stripe:
        with pytest.raises(BadEventError):
            stripe.verify(b"{}", headers, clock())


_EVENT = b'{"id":"evt_1","type":"x","livemode":false,"data":{"object":{}},"created":%b}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b'{"id":"evt_1","type":"x","data":[],"created":1,"livemode":false}',
        b'{"id":"evt_1","type":1,"data":{"object":{}},"created":1,"livemode":false}',
        b'{"id":"evt_1","type":"invoice.paid","data":{"object":1},"created":1,"livemode":false}',
        _EVENT % b'"now"',
        _EVENT % b"null",
        _EVENT % b"NaN",
        _EVENT % b"99999999999999",
        pytest.param(_EVENT % b"1e300"),
        pytest.param(_EVENT % b"1e999"),
        pytest.param(b"[" * 100_000),
    ],
    ids=lambda body: repr(body[-30:]),
)
async def test_signed_body_that_is_no_event_is_refused(
    shop: Shop, clock: FakeClock, body: bytes
) -> None:
    headers = {_NAME: sign(body, WEBHOOK_SECRET, int(clock().timestamp()))}

    with pytest.raises(BadEventError):
        shop.stripe.verify(body, headers, clock())
