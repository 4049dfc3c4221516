"""The dashboard: endpoints, knobs, charges, and what its buttons do."""

from typing import Any

import pytest

from tests.support.sandbox import Answer, Shop

_KNOBS = {
    "duplicate": "0.5",
    "drop": "0",
    "reorder": "3",
    "delay_from_s": "1",
    "delay_to_s": "2.5",
    "same_second_s": "60",
    "at_once": "2",
    "seed": "7",
    "payload": "thin",
    "old_shape": "on",
}


async def _press(shop: Shop, path: str, **fields: str) -> Answer:
    return await shop.sandbox.ask("POST", f"/sandbox/{path}", data=fields)


async def _charge(shop: Shop) -> dict[str, Any]:
    await shop.buy()
    charges = (await shop.sandbox.api("GET", "/v1/charges")).json()["data"]
    found: dict[str, Any] = charges[0]
    return found


async def test_page_shows_endpoints_charges_and_knobs(shop: Shop) -> None:
    charge = await _charge(shop)

    page = await shop.sandbox.ask("GET", "/sandbox")

    assert page.status == 200
    assert "we_commandline" in page.text
    assert charge["id"] in page.text
    assert "How events travel" in page.text


async def test_charge_is_refunded(shop: Shop) -> None:
    charge = await _charge(shop)

    answer = await _press(shop, f"charges/{charge['id']}/refund")

    after = (await shop.sandbox.api("GET", f"/v1/charges/{charge['id']}")).json()
    assert answer.status == 303
    assert after["refunded"] is True
    await shop.receiver.wait_for("charge.refunded")


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_charge_is_disputed_and_decided(shop: Shop, outcome: str) -> None:
    charge = await _charge(shop)
    await _press(shop, f"charges/{charge['id']}/dispute")
    (dispute,) = (await shop.sandbox.api("GET", "/v1/disputes")).json()["data"]

    await _press(shop, f"disputes/{dispute['id']}/close", outcome=outcome)

    after = (await shop.sandbox.api("GET", f"/v1/disputes/{dispute['id']}")).json()
    assert after["status"] == outcome


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("charges/ch_nowhere/refund", 400),
        ("charges/ch_nowhere/dispute", 404),
        ("disputes/dp_nowhere/close", 404),
        ("customers/cus_nowhere/portal", 400),
    ],
)
async def test_button_for_nothing_says_so(shop: Shop, path: str, status: int) -> None:
    answer = await _press(shop, path)

    assert answer.status == status
    assert "Not done" in answer.text


async def test_refund_of_what_is_refunded_is_told(shop: Shop) -> None:
    charge = await _charge(shop)
    await _press(shop, f"charges/{charge['id']}/refund")

    again = await _press(shop, f"charges/{charge['id']}/refund")

    assert again.status == 400
    assert "Not done" in again.text


async def test_portal_of_a_customer_opens(shop: Shop) -> None:
    customer = (await _charge(shop))["customer"]

    answer = await _press(shop, f"customers/{customer}/portal")

    page = await shop.sandbox.ask("GET", answer.headers["Location"])
    assert answer.status == 303
    assert "Your subscriptions" in page.text


async def test_knobs_are_set_by_the_form(shop: Shop) -> None:
    await _press(shop, "delivery", **_KNOBS)

    knobs = (await shop.sandbox.control("GET", "delivery"))["knobs"]

    assert knobs == {
        "seed": 7,
        "duplicate": 0.5,
        "reorder": 3,
        "same_second_s": 60,
        "delay_s": [1, 2.5],
        "drop": 0,
        "old_shape": True,
        "payload": "thin",
        "hold": False,
        "at_once": 2,
    }


@pytest.mark.parametrize("fault", [{"drop": "2"}, {"seed": "x"}, {"colour": "red"}])
async def test_wrong_knob_in_the_form_is_told(shop: Shop, fault: dict[str, str]) -> None:
    before = await shop.sandbox.control("GET", "delivery")

    answer = await _press(shop, "delivery", **(_KNOBS | fault))

    assert answer.status == 400
    assert "Not done" in answer.text
    assert await shop.sandbox.control("GET", "delivery") == before


async def test_what_is_held_goes_out_by_the_button(shop: Shop) -> None:
    await shop.sandbox.control("POST", "delivery", {"hold": True})
    await shop.buy()
    await shop.sandbox.settle()
    held = len(shop.receiver.deliveries)

    await _press(shop, "deliveries/release")
    await shop.sandbox.settle()

    assert held == 0
    assert len(shop.receiver.deliveries) == (await shop.sandbox.state())["events"]
