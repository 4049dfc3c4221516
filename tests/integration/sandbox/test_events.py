"""The list of events, from which a receiver catches up on what it missed."""

from typing import Any

import pytest

from tests.support.sandbox import MONTH, Shop, make_order

_LIST = "/v1/events"


async def _page(shop: Shop, query: str) -> dict[str, Any]:
    answer = await shop.sandbox.api("GET", f"{_LIST}?{query}")
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _types(shop: Shop, query: str) -> set[str]:
    return {event["type"] for event in (await _page(shop, query))["data"]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=invoice.paid", {"invoice.paid"}),
        ("type=customer.sub*", {"customer.subscription.created"}),
        ("type=invoice", set()),
        ("types[]=invoice.paid&types[]=customer.created", {"invoice.paid", "customer.created"}),
    ],
)
async def test_events_are_found_by_type(shop: Shop, query: str, expected: set[str]) -> None:
    await shop.buy()

    assert await _types(shop, query) == expected


@pytest.mark.parametrize(
    ("bound", "has_any"), [("gt", False), ("gte", True), ("lt", False), ("lte", True)]
)
async def test_events_are_found_by_time(shop: Shop, bound: str, has_any: bool) -> None:
    await shop.buy()
    at_s = int(shop.clock().timestamp())

    page = await _page(shop, f"created[{bound}]={at_s}")

    assert bool(page["data"]) is has_any


async def test_pages_backwards_from_the_newest_are_complete(shop: Shop) -> None:
    await shop.buy()
    seen: list[str] = []
    cursor = ""
    while True:
        page = await _page(shop, f"limit=2{cursor}")
        seen += [event["id"] for event in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&starting_after={seen[-1]}"

    assert seen == [event["id"] for event in (await _page(shop, "limit=100"))["data"]]


async def test_pages_forwards_from_a_cursor_are_chronological(shop: Shop) -> None:
    await shop.buy()
    ids = [event["id"] for event in (await _page(shop, "limit=100"))["data"]][::-1]
    seen = ids[:1]
    has_more = True
    while has_more:
        page = await _page(shop, f"limit=2&ending_before={seen[-1]}")
        seen += [event["id"] for event in page["data"]][::-1]
        has_more = page["has_more"]

    assert seen == ids


async def test_events_that_were_taken_and_those_that_were_not_are_told_apart(shop: Shop) -> None:
    await shop.stripe.create_checkout(make_order(MONTH))
    await shop.buy()
    await shop.sandbox.settle()
    taken = await _types(shop, "delivery_success=true")
    shop.receiver.status = 500
    await shop.sandbox.advance(31)

    missed = await _types(shop, "delivery_success=false")

    assert "customer.created" in taken
    assert "customer.subscription.updated" in missed
    assert "customer.created" not in missed


async def test_event_counts_who_has_still_to_take_it(shop: Shop) -> None:
    shop.receiver.status = 500
    await shop.buy()
    await shop.sandbox.settle()
    before = {event["pending_webhooks"] for event in (await _page(shop, "limit=100"))["data"]}
    shop.receiver.status = 200
    shop.clock.move(minutes=1)
    await shop.sandbox.settle()

    after = {event["pending_webhooks"] for event in (await _page(shop, "limit=100"))["data"]}

    assert (before, after) == ({1}, {0})


async def test_event_is_gone_after_thirty_days(shop: Shop) -> None:
    await shop.buy()
    event = (await _page(shop, "limit=1&type=customer.created"))["data"][0]

    await shop.sandbox.advance(30)

    assert await _types(shop, "type=customer.created") == set()
    assert (await shop.sandbox.api("GET", f"{_LIST}/{event['id']}")).status == 404


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=101", "limit"),
        ("limit=0", "limit"),
        ("type=a&types[]=b", "types"),
        ("&".join(f"types[]=t{n}" for n in range(21)), "types"),
        ("starting_after=evt_nowhere", "starting_after"),
        ("ending_before=evt_nowhere", "ending_before"),
        ("delivery_success=maybe", "delivery_success"),
    ],
)
async def test_wrong_question_names_its_parameter(shop: Shop, query: str, param: str) -> None:
    answer = await shop.sandbox.api("GET", f"{_LIST}?{query}")

    assert answer.status == 400
    assert answer.json()["error"]["param"] == param


async def test_upcoming_invoice_has_no_id(shop: Shop) -> None:
    sub_id = await shop.subscribe()

    await shop.sandbox.control("POST", f"subscriptions/{sub_id}/upcoming")
    event = (await shop.receiver.wait_for("invoice.upcoming")).event

    invoice = event["data"]["object"]
    assert "id" not in invoice
    assert invoice["parent"]["subscription_details"]["subscription"] == sub_id
    assert invoice["amount_due"] == 500
