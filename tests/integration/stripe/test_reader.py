"""What the reader asks of Stripe, and what it makes of the answers, over a real socket."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from billing.errors import NoSuchObjectError, ProviderRefusedError
from billing.facts import DisputeState, PaymentKind, PaymentState
from billing.providers.stripe.adapter import Stripe
from billing.providers.stripe.events import WATCHED
from tests.support.canned import Canned, run_canned
from tests.support.sandbox import run_adapter

START = 1_700_000_000


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.fixture
async def canned() -> AsyncIterator[Canned]:
    async with run_canned() as running:
        yield running


@pytest.fixture
async def stripe(canned: Canned) -> AsyncIterator[Stripe]:
    async with run_adapter(canned.url) as adapter:
        yield adapter


def paths(canned: Canned) -> list[str]:
    return [urlsplit(asked).path for asked in canned.asked]


def line(number: int) -> dict[str, Any]:
    return {
        "id": f"il_{number}",
        "amount": 100,
        "period": {"start": START, "end": START + 10},
        "parent": {"subscription_item_details": {"subscription_item": f"si_{number}"}},
    }


def put_invoice(canned: Canned, *, status: str = "paid", lines: int = 1, **charge: Any) -> None:
    """Put an invoice with one payment intent there, whose charge has the given fields."""
    listed = [line(number) for number in range(lines)]
    canned.lists["/v1/invoices/in_1/lines"] = listed
    canned.objects["/v1/invoices/in_1"] = {
        "id": "in_1",
        "livemode": False,
        "customer": "cus_1",
        "amount_due": 500,
        "currency": "eur",
        "status": status,
        "created": START,
        "status_transitions": {"paid_at": START + 5},
        "parent": {"subscription_details": {"subscription": "sub_1"}},
        "payments": {
            "data": [{"status": status, "payment": {"payment_intent": "pi_1"}}],
        },
        "lines": {"data": listed[:10], "has_more": lines > 10},
    }
    put_intent(canned, **charge)


def put_intent(canned: Canned, **charge: Any) -> None:
    canned.objects["/v1/payment_intents/pi_1"] = {
        "id": "pi_1",
        "livemode": False,
        "customer": "cus_1",
        "status": "succeeded",
        "amount": 500,
        "currency": "eur",
        "created": START,
        "latest_charge": {"id": "ch_1", "amount": 500, "created": START + 5} | charge,
    }
    for kind in ("refunds", "disputes", "radar/early_fraud_warnings"):
        canned.lists.setdefault(f"/v1/{kind}", [])


async def test_paid_invoice_that_nobody_wants_back_costs_two_calls(
    canned: Canned, stripe: Stripe
) -> None:
    put_invoice(canned)

    payment = await stripe.fetch_payment("in_1", thorough=False)

    assert (payment.kind, payment.state) == (PaymentKind.INVOICE, PaymentState.PAID)
    assert [found.psp_item_id for found in payment.lines] == ["si_0"]
    assert paths(canned) == ["/v1/invoices/in_1", "/v1/payment_intents/pi_1"]


@pytest.mark.parametrize(
    ("charge", "thorough", "lists"),
    [
        ({"amount_refunded": 100}, False, ["/v1/refunds"]),
        ({"refunded": True}, False, ["/v1/refunds"]),
        ({"disputed": True}, False, ["/v1/disputes"]),
        ({}, True, ["/v1/refunds", "/v1/disputes", "/v1/radar/early_fraud_warnings"]),
    ],
)
async def test_what_went_back_is_listed_when_the_charge_says_so_or_when_asked_to(
    canned: Canned, stripe: Stripe, charge: dict[str, Any], thorough: bool, lists: list[str]
) -> None:
    put_invoice(canned, **charge)

    await stripe.fetch_payment("in_1", thorough=thorough)

    assert paths(canned)[2:] == lists
    assert all("payment_intent=pi_1" in asked for asked in canned.asked[2:])


async def test_refund_dispute_and_warning_are_read_together(canned: Canned, stripe: Stripe) -> None:
    put_invoice(canned, amount_refunded=500, disputed=True)
    refund = {"id": "re_1", "status": "succeeded", "amount": 500, "created": START + 30}
    canned.lists["/v1/refunds"] = [refund]
    dispute = {"id": "dp_1", "status": "won", "created": START + 20}
    canned.lists["/v1/disputes"] = [dispute]
    warning = {"id": "issfr_1", "actionable": True, "created": START + 10}
    canned.lists["/v1/radar/early_fraud_warnings"] = [warning]

    payment = await stripe.fetch_payment("in_1", thorough=True)

    assert (payment.refunded_minor, payment.dispute) == (500, DisputeState.WARNED)
    assert payment.taken_back_at == at(START + 10)


async def test_order_is_always_looked_through(canned: Canned, stripe: Stripe) -> None:
    put_intent(canned)

    payment = await stripe.fetch_payment("pi_1", thorough=False)

    assert (payment.kind, payment.psp_sub_id) == (PaymentKind.ORDER, None)
    assert "/v1/radar/early_fraud_warnings" in paths(canned)


async def test_every_line_of_a_long_invoice_is_read(canned: Canned, stripe: Stripe) -> None:
    put_invoice(canned, lines=230)

    payment = await stripe.fetch_payment("in_1", thorough=False)

    assert [found.psp_item_id for found in payment.lines] == [f"si_{n}" for n in range(230)]


async def test_void_invoice_has_no_money_to_look_at(canned: Canned, stripe: Stripe) -> None:
    put_invoice(canned, status="void")

    payment = await stripe.fetch_payment("in_1", thorough=True)

    assert payment.state is PaymentState.VOID
    assert paths(canned) == ["/v1/invoices/in_1"]


@pytest.mark.parametrize(
    ("any_id", "objects"),
    [
        ("in_1", {}),
        ("pi_1", {}),
        ("ch_1", {"charges/ch_1": {"payment_intent": "pi_1"}}),
        ("py_1", {"charges/py_1": {"payment_intent": {"id": "pi_1"}}}),
        ("re_1", {"refunds/re_1": {"payment_intent": "pi_1", "charge": "ch_1"}}),
        ("dp_1", {"disputes/dp_1": {"payment_intent": "pi_1"}}),
        (
            "issfr_1",
            {
                "radar/early_fraud_warnings/issfr_1": {"charge": "ch_1"},
                "charges/ch_1": {"payment_intent": "pi_1"},
            },
        ),
    ],
)
async def test_everything_that_leads_to_an_invoice_finds_it(
    canned: Canned, stripe: Stripe, any_id: str, objects: dict[str, Any]
) -> None:
    canned.objects |= {f"/v1/{path}": {"id": any_id} | found for path, found in objects.items()}
    canned.lists["/v1/invoice_payments"] = [{"id": "inpay_1", "invoice": "in_1"}]

    assert await stripe.resolve_payment(any_id) == "in_1"


async def test_intent_that_no_invoice_has_is_an_order_of_its_own(
    canned: Canned, stripe: Stripe
) -> None:
    canned.lists["/v1/invoice_payments"] = []

    assert await stripe.resolve_payment("pi_1") == "pi_1"


@pytest.mark.parametrize(
    ("any_id", "objects"),
    [
        ("src_1", {}),
        ("ch_1", {}),
        ("ch_1", {"charges/ch_1": {"payment_intent": None}}),
        # One that leads in a circle.
        ("ch_1", {"charges/ch_1": {"payment_intent": None, "charge": "ch_1"}}),
    ],
)
async def test_what_leads_to_no_payment_is_told_as_missing(
    canned: Canned, stripe: Stripe, any_id: str, objects: dict[str, Any]
) -> None:
    canned.objects |= {f"/v1/{path}": {"id": any_id} | found for path, found in objects.items()}

    with pytest.raises(NoSuchObjectError):
        await stripe.resolve_payment(any_id)


@pytest.mark.parametrize("body", [{"data": None}, {"data": [1]}, {"data": [{"invoice": None}]}, {}])
async def test_answer_of_another_shape_is_refused_and_not_taken_for_an_order(
    canned: Canned, stripe: Stripe, body: dict[str, Any]
) -> None:
    canned.objects["/v1/invoice_payments"] = body

    with pytest.raises(ProviderRefusedError):
        await stripe.resolve_payment("pi_1")


@pytest.mark.parametrize("has_more", [False, True])
async def test_every_item_of_a_subscription_is_read(
    canned: Canned, stripe: Stripe, has_more: bool
) -> None:
    items = [
        {
            "id": f"si_{number}",
            "price": {"id": "price_1"},
            "current_period_start": START,
            "current_period_end": START + 10,
        }
        for number in range(15)
    ]
    canned.lists["/v1/subscription_items"] = items
    canned.objects["/v1/subscriptions/sub_1"] = {
        "id": "sub_1",
        "customer": "cus_1",
        "livemode": False,
        "status": "active",
        "created": START,
        "items": {"data": items[:10] if has_more else items, "has_more": has_more},
    }

    found = await stripe.fetch_subscription("sub_1")

    assert [item.psp_item_id for item in found.items] == [f"si_{n}" for n in range(15)]
    assert len(canned.asked) == 1 + has_more


async def test_subscriptions_are_listed_whatever_their_status_and_age(
    canned: Canned, stripe: Stripe
) -> None:
    canned.lists["/v1/subscriptions"] = [{"id": "sub_2"}, {"id": "sub_1"}]

    assert await stripe.list_subscriptions("cus_1") == ("sub_2", "sub_1")
    query = parse_qs(urlsplit(canned.asked[0]).query)
    assert query == {"customer": ["cus_1"], "status": ["all"], "limit": ["100"]}


async def test_payments_of_a_subscription_are_listed_newest_first(
    canned: Canned, stripe: Stripe
) -> None:
    canned.lists["/v1/invoices"] = [{"id": "in_2"}, {"id": "in_1"}]

    assert await stripe.list_payments("sub_1") == ("in_2", "in_1")


async def test_deleted_customer_is_told(canned: Canned, stripe: Stripe) -> None:
    canned.objects["/v1/customers/cus_1"] = {"id": "cus_1", "object": "customer", "deleted": True}

    assert (await stripe.fetch_customer("cus_1")).is_deleted


def event(number: int) -> dict[str, Any]:
    return {
        "id": f"evt_{number}",
        "object": "event",
        "type": "customer.subscription.updated",
        "created": START + number,
        "livemode": False,
        "data": {"object": {"id": "sub_1"}},
    }


@pytest.mark.parametrize("since", [START - 1, START + 50], ids=["before all", "in the middle"])
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
async def test_events_are_walked_in_the_order_of_their_making(
    canned: Canned, stripe: Stripe, count: int, since: int
) -> None:
    canned.lists["/v1/events"] = [event(number) for number in reversed(range(count))]
    found: list[str] = []
    cursor, has_more = None, True

    while has_more:
        page = await stripe.list_events(cursor, at(since))
        found += [e.external_id for e in page.events]
        cursor, has_more = page.cursor, page.has_more
    canned.lists["/v1/events"].insert(0, event(1000))
    later = await stripe.list_events(cursor, at(since))

    first = max(0, since - START)
    assert found == [f"evt_{number}" for number in range(first, count)]
    assert [e.external_id for e in later.events] == ["evt_1000"]


async def test_no_more_types_are_asked_for_than_stripe_takes(
    canned: Canned, stripe: Stripe
) -> None:
    canned.lists["/v1/events"] = [event(1)]

    await stripe.list_events("evt_1", at(START))

    query = parse_qs(urlsplit(canned.asked[0]).query)
    assert sorted(v for name in query if name.startswith("types") for v in query[name]) == sorted(
        WATCHED
    )
    assert query["ending_before"] == ["evt_1"]
