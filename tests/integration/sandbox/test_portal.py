"""The customer portal: opened by the API, used by a browser."""

from typing import Any

import pytest

from tests.support.sandbox import (
    DECLINED_AT_RENEWAL_CARD,
    DECLINED_CARD,
    GOOD_CARD,
    MONTH,
    YEAR,
    Answer,
    Shop,
)

_AFTER = "flow_data[after_completion]"


async def _get(shop: Shop, path: str) -> dict[str, Any]:
    found: dict[str, Any] = (await shop.sandbox.api("GET", path)).json()
    return found


async def _subscription(shop: Shop, sub_id: str) -> dict[str, Any]:
    return await _get(shop, f"/v1/subscriptions/{sub_id}")


async def _open(shop: Shop, sub_id: str, **fields: str) -> dict[str, Any]:
    customer = (await _subscription(shop, sub_id))["customer"]
    given = {"customer": customer, "return_url": "https://shop.example/account"}
    answer = await shop.sandbox.api("POST", "/v1/billing_portal/sessions", given | fields)
    assert answer.status == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def _press(shop: Shop, session: dict[str, Any], action: str, **fields: str) -> Answer:
    return await shop.sandbox.ask("POST", f"{session['url']}/{action}", data=fields)


async def test_page_shows_subscriptions_and_invoices_and_leads_back(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    session = await _open(shop, sub_id)

    page = await shop.sandbox.ask("GET", session["url"])

    assert page.status == 200
    assert sub_id in page.text
    assert "5.00 EUR" in page.text
    assert 'href="https://shop.example/account"' in page.text


async def test_subscription_is_cancelled_and_kept_after_all(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    session = await _open(shop, sub_id)

    cancelled = await _press(shop, session, "cancel", subscription=sub_id)
    ends = (await _subscription(shop, sub_id))["cancel_at_period_end"]
    await _press(shop, session, "resume", subscription=sub_id)

    assert cancelled.status == 303
    assert ends is True
    assert (await _subscription(shop, sub_id))["cancel_at_period_end"] is False


async def test_quantity_is_changed_and_paid_at_once(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    session = await _open(shop, sub_id)
    price = MONTH.psp_price_id

    await _press(shop, session, "update", subscription=sub_id, price=price, quantity="3")

    changed = await _subscription(shop, sub_id)
    invoice = await _get(shop, f"/v1/invoices/{changed['latest_invoice']}")
    assert changed["items"]["data"][0]["quantity"] == 3
    assert (invoice["billing_reason"], invoice["status"]) == ("subscription_update", "paid")


async def test_plan_is_changed(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    session = await _open(shop, sub_id)
    price = YEAR.psp_price_id

    await _press(shop, session, "update", subscription=sub_id, price=price, quantity="1")

    changed = await _subscription(shop, sub_id)
    assert changed["items"]["data"][0]["price"]["id"] == price


async def test_change_that_cannot_be_paid_is_not_had(shop: Shop) -> None:
    sub_id = await shop.subscribe(card=DECLINED_AT_RENEWAL_CARD)
    session = await _open(shop, sub_id)
    price = MONTH.psp_price_id

    answer = await _press(shop, session, "update", subscription=sub_id, price=price, quantity="9")

    assert answer.status == 402
    assert "Your card was declined." in answer.text
    assert (await _subscription(shop, sub_id))["items"]["data"][0]["quantity"] == 1


async def test_new_card_pays_what_is_past_due(shop: Shop) -> None:
    sub_id = await shop.subscribe(card=DECLINED_AT_RENEWAL_CARD)
    await shop.sandbox.advance(31)
    before = (await _subscription(shop, sub_id))["status"]
    session = await _open(shop, sub_id)

    await _press(shop, session, "card", card=GOOD_CARD, expiry="12 / 49", cvc="123")

    after = await _subscription(shop, sub_id)
    customer = await _get(shop, f"/v1/customers/{after['customer']}")
    usual = customer["invoice_settings"]["default_payment_method"]
    assert (before, after["status"]) == ("past_due", "active")
    assert usual == after["default_payment_method"]


@pytest.mark.parametrize("card", [DECLINED_CARD, "1234", ""])
async def test_card_that_does_not_work_is_not_taken(shop: Shop, card: str) -> None:
    sub_id = await shop.subscribe()
    before = await _subscription(shop, sub_id)
    session = await _open(shop, sub_id)

    answer = await _press(shop, session, "card", card=card, expiry="12 / 49", cvc="123")

    assert answer.status == 402
    assert await _subscription(shop, sub_id) == before


async def test_pausing_is_there_only_where_it_is_set_up(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    session = await _open(shop, sub_id)
    without = await _press(shop, session, "pause", subscription=sub_id)
    await shop.sandbox.control("POST", "portal", {"pause": True})

    await _press(shop, session, "pause", subscription=sub_id)
    paused = await _subscription(shop, sub_id)
    await _press(shop, session, "unpause", subscription=sub_id)

    assert without.status == 404
    assert paused["pause_collection"]["behavior"] == "void"
    assert paused["status"] == "active"
    assert (await _subscription(shop, sub_id))["pause_collection"] is None


async def test_nobody_reaches_the_subscription_of_another_customer(shop: Shop) -> None:
    mine = await shop.subscribe()
    theirs = (await shop.sandbox.api("POST", "/v1/customers", {"name": "Bea"})).json()["id"]
    session = await _open(shop, mine, customer=theirs)

    page = await shop.sandbox.ask("GET", session["url"])
    answer = await _press(shop, session, "cancel", subscription=mine)

    assert mine not in page.text
    assert answer.status == 404
    assert (await _subscription(shop, mine))["cancel_at_period_end"] is False


@pytest.mark.parametrize("kind", ["subscription_cancel", "subscription_update"])
async def test_flow_is_about_one_subscription(shop: Shop, kind: str) -> None:
    sub_id = await shop.subscribe()

    session = await _open(
        shop, sub_id, **{"flow_data[type]": kind, f"flow_data[{kind}][subscription]": sub_id}
    )

    assert session["flow"][kind] == {"subscription": sub_id}
    assert sub_id in (await shop.sandbox.ask("GET", session["url"])).text


async def test_flow_leads_on_when_it_is_completed(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    session = await _open(
        shop,
        sub_id,
        **{
            "flow_data[type]": "subscription_cancel",
            "flow_data[subscription_cancel][subscription]": sub_id,
            f"{_AFTER}[type]": "redirect",
            f"{_AFTER}[redirect][return_url]": "https://shop.example/bye",
        },
    )

    answer = await _press(shop, session, "cancel", subscription=sub_id)

    assert answer.headers["Location"] == "https://shop.example/bye"


async def test_page_is_gone_after_an_hour(shop: Shop) -> None:
    session = await _open(shop, await shop.subscribe())

    shop.clock.move(hours=1)
    page = await shop.sandbox.ask("GET", session["url"])

    assert page.status == 404


async def test_deleted_customer_has_no_portal(shop: Shop) -> None:
    session = await _open(shop, await shop.subscribe())
    path = f"/v1/customers/{session['customer']}"

    await shop.sandbox.api("DELETE", path)
    page = await shop.sandbox.ask("GET", session["url"])
    refused = await shop.sandbox.api(
        "POST", "/v1/billing_portal/sessions", {"customer": session["customer"]}
    )

    assert page.status == 404
    assert refused.json()["error"]["code"] == "resource_missing"


@pytest.mark.parametrize("action", ["cancel", "delete", "update"])
async def test_button_for_nothing_says_so(shop: Shop, action: str) -> None:
    session = await _open(shop, await shop.subscribe())

    answer = await _press(shop, session, action, subscription="sub_nowhere")

    assert answer.status == 404


async def test_form_of_another_site_is_refused(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    session = await _open(shop, sub_id)

    answer = await shop.sandbox.ask(
        "POST",
        f"{session['url']}/cancel",
        data={"subscription": sub_id},
        headers={"Sec-Fetch-Site": "cross-site"},
    )

    assert answer.status == 403
    assert (await _subscription(shop, sub_id))["cancel_at_period_end"] is False


async def test_what_customers_write_is_shown_as_text(shop: Shop) -> None:
    sub_id = await shop.subscribe()
    session = await _open(shop, sub_id)

    answer = await _press(
        shop, session, "update", subscription=sub_id, price="<script>x</script>", quantity="1"
    )

    assert answer.status == 400
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"customer": ""}, "customer"),
        ({"customer": "cus_nowhere"}, "customer"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"flow_data[type]": "dance"}, "flow_data[type]"),
        (
            {"flow_data[type]": "subscription_cancel"},
            "flow_data[subscription_cancel][subscription]",
        ),
        (
            {"flow_data[type]": "payment_method_update", f"{_AFTER}[type]": "redirect"},
            f"{_AFTER}[redirect][return_url]",
        ),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_wrong_portal_names_its_parameter(
    shop: Shop, fields: dict[str, str], param: str
) -> None:
    customer = (await shop.sandbox.api("POST", "/v1/customers")).json()["id"]

    answer = await shop.sandbox.api(
        "POST", "/v1/billing_portal/sessions", {"customer": customer} | fields
    )

    assert answer.status == 400
    assert answer.json()["error"]["param"] == param
