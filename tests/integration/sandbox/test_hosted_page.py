"""The hosted page beside a plain card: 3-D Secure, SEPA debits, trials, quantities."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from demo.sandbox.bank_accounts import FAILS, SETTLES
from demo.sandbox.debits import SETTLES_AFTER_S
from tests.support.sandbox import MONTH, ONCE, Answer, Shop

_ASKING_CARD = "4000 0025 0000 3155"
_DAYS = SETTLES_AFTER_S / 86_400


async def _open(shop: Shop, plan: Any = MONTH, **fields: str) -> dict[str, Any]:
    given = {
        "mode": "payment" if plan is ONCE else "subscription",
        "line_items[0][price]": plan.psp_price_id,
        "line_items[0][quantity]": "1",
        "success_url": "https://shop.example/return?session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/plans",
    }
    answer = await shop.sandbox.api("POST", "/v1/checkout/sessions", given | fields)
    assert answer.status == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def _get(shop: Shop, path: str) -> dict[str, Any]:
    found: dict[str, Any] = (await shop.sandbox.api("GET", path)).json()
    return found


async def _session(shop: Shop, session: dict[str, Any]) -> dict[str, Any]:
    return await _get(shop, f"/v1/checkout/sessions/{session['id']}")


async def _debit(shop: Shop, session: dict[str, Any], iban: str) -> Answer:
    fields = {"method": "sepa_debit", "iban": iban}
    return await shop.sandbox.ask("POST", session["url"], data=fields)


async def _answer_bank(shop: Shop, session: dict[str, Any], outcome: str) -> Answer:
    path = f"{session['url']}/authenticate"
    return await shop.sandbox.ask("POST", path, data={"outcome": outcome})


async def test_card_whose_bank_asks_leads_to_another_page_first(shop: Shop) -> None:
    session = await _open(shop)

    answer = await shop.sandbox.pay(session["url"], _ASKING_CARD)

    assert answer.headers["Location"] == f"/c/pay/{session['id']}/authenticate"
    page = await shop.sandbox.ask("GET", answer.headers["Location"])
    assert "Your bank asks whether it is you" in page.text
    assert (await _session(shop, session))["status"] == "open"


async def test_session_that_an_earlier_version_opened_can_be_paid(shop: Shop) -> None:
    session = await _open(shop, **{"subscription_data[metadata][colour]": "red"})
    with closing(sqlite3.connect(shop.sandbox.data / "sandbox.sqlite3")) as file, file:
        (text,) = file.execute(
            "SELECT body FROM object WHERE kind = 'sandbox.checkout_plan'"
        ).fetchone()
        plan = json.loads(text)
        plan["subscription_metadata"] = plan.pop("subscription_data")["metadata"]
        file.execute("UPDATE object SET body = ? WHERE id = ?", (json.dumps(plan), plan["id"]))

    page = await shop.sandbox.ask("GET", session["url"])
    paid = await shop.sandbox.pay(session["url"], "4242 4242 4242 4242")

    assert (page.status, paid.status) == (200, 303)
    found = (await _session(shop, session))["subscription"]
    assert (await _get(shop, f"/v1/subscriptions/{found}"))["metadata"] == {"colour": "red"}


async def test_holder_who_confirms_has_paid(shop: Shop) -> None:
    session = await _open(shop)
    await shop.sandbox.pay(session["url"], _ASKING_CARD)

    await _answer_bank(shop, session, "complete")

    paid = await _session(shop, session)
    assert (paid["status"], paid["payment_status"]) == ("complete", "paid")


async def test_holder_who_denies_has_paid_nothing_and_may_try_again(shop: Shop) -> None:
    session = await _open(shop)
    await shop.sandbox.pay(session["url"], _ASKING_CARD)

    refused = await _answer_bank(shop, session, "fail")
    open_still = await _session(shop, session)
    await shop.sandbox.pay(session["url"])

    assert refused.status == 402
    assert "could not confirm" in refused.text
    assert (open_still["status"], open_still["payment_status"]) == ("open", "unpaid")
    assert (await _session(shop, session))["status"] == "complete"
    await shop.receiver.wait_for("payment_intent.payment_failed")


async def test_confirming_twice_pays_once(shop: Shop) -> None:
    session = await _open(shop)
    await shop.sandbox.pay(session["url"], _ASKING_CARD)

    for _ in range(2):
        await _answer_bank(shop, session, "complete")

    assert (await shop.sandbox.state())["payments"] == 1


async def test_other_card_takes_the_place_of_the_one_that_was_asked_about(shop: Shop) -> None:
    session = await _open(shop)
    await shop.sandbox.pay(session["url"], _ASKING_CARD)
    await shop.sandbox.pay(session["url"])

    await _answer_bank(shop, session, "complete")

    assert (await shop.sandbox.state())["payments"] == 1


async def test_bank_that_asked_nothing_is_not_answered(shop: Shop) -> None:
    session = await _open(shop)

    answer = await _answer_bank(shop, session, "complete")

    assert answer.headers["Location"] == f"/c/pay/{session['id']}"
    assert (await _session(shop, session))["status"] == "open"


async def test_debit_completes_the_session_unpaid(shop: Shop) -> None:
    session = await _open(shop, ONCE)

    answer = await _debit(shop, session, SETTLES)
    done = await _session(shop, session)
    intent = await _get(shop, f"/v1/payment_intents/{done['payment_intent']}")

    assert answer.status == 303
    assert answer.headers["Location"].startswith("https://shop.example/return")
    assert (done["status"], done["payment_status"]) == ("complete", "unpaid")
    assert intent["status"] == "processing"
    completed = (await shop.receiver.wait_for("checkout.session.completed")).event
    assert completed["data"]["object"]["payment_status"] == "unpaid"


@pytest.mark.parametrize(
    ("iban", "status", "intent_status", "event"),
    [
        (SETTLES, "paid", "succeeded", "checkout.session.async_payment_succeeded"),
        (FAILS, "unpaid", "requires_payment_method", "checkout.session.async_payment_failed"),
    ],
    ids=["settles", "fails"],
)
async def test_debit_of_an_order_is_known_days_later(
    shop: Shop, iban: str, status: str, intent_status: str, event: str
) -> None:
    session = await _open(shop, ONCE)
    await _debit(shop, session, iban)
    await shop.sandbox.advance(_DAYS - 0.1)
    before = set(shop.receiver.types())

    await shop.sandbox.advance(0.2)
    done = await _session(shop, session)
    intent = await _get(shop, f"/v1/payment_intents/{done['payment_intent']}")

    assert event not in before
    assert event in shop.receiver.types()
    assert (done["payment_status"], intent["status"]) == (status, intent_status)


@pytest.mark.parametrize(
    ("iban", "invoice_status", "sub_status", "session_status"),
    [(SETTLES, "paid", "active", "paid"), (FAILS, "open", "past_due", "unpaid")],
    ids=["settles", "fails"],
)
async def test_debit_of_a_subscription_settles_its_first_invoice_days_later(
    shop: Shop, iban: str, invoice_status: str, sub_status: str, session_status: str
) -> None:
    session = await _open(shop)
    await _debit(shop, session, iban)
    done = await _session(shop, session)
    early = await _get(shop, f"/v1/invoices/{done['invoice']}")

    await shop.sandbox.advance(_DAYS)
    invoice = await _get(shop, f"/v1/invoices/{done['invoice']}")
    subscription = await _get(shop, f"/v1/subscriptions/{done['subscription']}")

    assert (done["status"], done["payment_status"], early["status"]) == (
        "complete",
        "unpaid",
        "open",
    )
    assert (invoice["status"], subscription["status"]) == (invoice_status, sub_status)
    assert (await _session(shop, session))["payment_status"] == session_status


async def test_debit_that_was_given_up_settles_nothing(shop: Shop) -> None:
    session = await _open(shop)
    await _debit(shop, session, SETTLES)
    done = await _session(shop, session)
    await shop.sandbox.api("POST", f"/v1/invoices/{done['invoice']}/void")

    await shop.sandbox.advance(_DAYS)

    assert (await _get(shop, f"/v1/invoices/{done['invoice']}"))["status"] == "void"
    assert (await _session(shop, session))["payment_status"] == "unpaid"


@pytest.mark.parametrize("iban", ["", "AT61", "AT611904300234573202", "1234", "ÄT61" + "0" * 16])
async def test_wrong_iban_is_told_and_nothing_is_debited(shop: Shop, iban: str) -> None:
    session = await _open(shop)

    answer = await _debit(shop, session, iban)

    assert answer.status == 402
    assert "The IBAN you entered is invalid." in answer.text
    assert (await _session(shop, session))["status"] == "open"


async def test_way_to_pay_that_was_not_offered_is_refused(shop: Shop) -> None:
    session = await _open(shop, **{"payment_method_types[0]": "card"})
    page = await shop.sandbox.ask("GET", session["url"])

    answer = await _debit(shop, session, SETTLES)

    assert "IBAN" not in page.text
    assert answer.status == 402
    assert "cannot be paid in that way" in answer.text


async def test_page_shows_quantity_and_what_it_comes_to(shop: Shop) -> None:
    session = await _open(shop, **{"line_items[0][quantity]": "3"})

    page = await shop.sandbox.ask("GET", session["url"])

    assert "\u00d7 3" in page.text
    assert "5.00 EUR each" in page.text
    assert "Pay 15.00 EUR" in page.text


async def test_page_shows_the_trial_and_takes_no_card_where_none_is_asked(shop: Shop) -> None:
    session = await _open(
        shop,
        payment_method_collection="if_required",
        **{"subscription_data[trial_period_days]": "7"},
    )
    page = await shop.sandbox.ask("GET", session["url"])

    await shop.sandbox.ask("POST", session["url"], data={"card": ""})

    assert "Due now: 0.00 EUR" in page.text
    assert "free until" in page.text
    done = await _session(shop, session)
    assert (done["status"], done["payment_status"]) == ("complete", "no_payment_required")


async def test_trial_by_debit_has_nothing_to_settle(shop: Shop) -> None:
    session = await _open(shop, **{"subscription_data[trial_period_days]": "7"})

    await _debit(shop, session, SETTLES)

    done = await _session(shop, session)
    subscription = await _get(shop, f"/v1/subscriptions/{done['subscription']}")
    assert (done["payment_status"], subscription["status"]) == ("no_payment_required", "trialing")


async def test_abandoned_session_leads_back_and_expires_with_time(shop: Shop) -> None:
    session = await _open(shop)
    page = await shop.sandbox.ask("GET", session["url"])

    await shop.sandbox.advance(1.1)

    assert 'href="https://shop.example/plans"' in page.text
    await shop.receiver.wait_for("checkout.session.expired")


async def test_promotion_codes_are_taken_and_ignored(shop: Shop) -> None:
    session = await _open(shop, allow_promotion_codes="true")

    assert session["allow_promotion_codes"] is True
