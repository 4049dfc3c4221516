"""Payments that are declined: what stays open, what is tried again, and what follows."""

import pytest
import stripe

from tests.support.stripe_account import DAY_S, Account, Body

_BAD = "pm_card_chargeCustomerFail"


async def _decline_a_renewal(account: Account) -> Body:
    subscription = await account.subscribe()
    await account.use_card(subscription["customer"], _BAD)
    await account.advance(31)
    return subscription


async def test_declined_renewal_is_past_due_and_will_be_tried_again(account: Account) -> None:
    subscription = await _decline_a_renewal(account)

    found = await account.read(subscription)
    invoice = (await account.invoices(subscription))[-1]
    assert (found["status"], invoice["status"]) == ("past_due", "open")
    assert (invoice["attempt_count"], invoice["auto_advance"]) == (1, True)
    renewed_s = found["items"]["data"][0]["current_period_start"]
    assert invoice["next_payment_attempt"] == renewed_s + 3 * DAY_S
    assert "invoice.payment_failed" in await account.event_types()


async def test_next_attempt_takes_the_card_that_is_there_by_then(account: Account) -> None:
    subscription = await _decline_a_renewal(account)
    await account.use_card(subscription["customer"], "pm_card_visa")

    await account.advance(3)

    found = await account.read(subscription)
    invoice = (await account.invoices(subscription))[-1]
    assert (found["status"], invoice["status"]) == ("active", "paid")
    assert invoice["attempt_count"] == 2


@pytest.mark.parametrize(
    ("setting", "status", "invoice_status"),
    [
        ("cancel", "canceled", "open"),
        ("unpaid", "unpaid", "open"),
        ("past_due", "past_due", "open"),
    ],
)
async def test_last_attempt_ends_as_the_account_has_chosen(
    account: Account, setting: str, status: str, invoice_status: str
) -> None:
    await account.ask("post", "/_sandbox/account", dunning_end=setting)
    subscription = await _decline_a_renewal(account)

    await account.advance(14)

    found = await account.read(subscription)
    invoice = (await account.invoices(subscription))[-1]
    assert (found["status"], invoice["status"]) == (status, invoice_status)
    assert (invoice["attempt_count"], invoice["next_payment_attempt"]) == (4, None)


async def test_canceled_for_want_of_payment_says_so(account: Account) -> None:
    subscription = await _decline_a_renewal(account)

    await account.advance(14)

    found = await account.read(subscription)
    assert found["cancellation_details"]["reason"] == "payment_failed"
    assert (await account.event_types("customer.subscription"))[-1].endswith(".deleted")


async def test_account_without_retries_ends_with_the_first_refusal(account: Account) -> None:
    await account.ask("post", "/_sandbox/account", retry_after_days="")

    subscription = await _decline_a_renewal(account)

    assert (await account.read(subscription))["status"] == "canceled"


async def test_unpaid_subscription_gets_drafts_and_comes_back_when_one_is_paid(
    account: Account,
) -> None:
    await account.ask("post", "/_sandbox/account", dunning_end="unpaid")
    subscription = await _decline_a_renewal(account)
    await account.advance(31)
    draft = (await account.invoices(subscription))[-1]
    await account.use_card(subscription["customer"], "pm_card_visa")

    paid = await account.post(f"invoices/{draft['id']}/pay")

    assert (draft["status"], draft["number"], paid["status"]) == ("draft", None, "paid")
    assert (await account.read(subscription))["status"] == "active"


async def test_paying_on_request_ends_past_due(account: Account) -> None:
    subscription = await _decline_a_renewal(account)
    invoice = (await account.invoices(subscription))[-1]
    good = await account.post(
        "payment_methods/pm_card_visa/attach", customer=subscription["customer"]
    )

    await account.post(f"invoices/{invoice['id']}/pay", payment_method=good["id"])

    assert (await account.read(subscription))["status"] == "active"


async def test_declined_payment_on_request_is_a_402_and_stays_on_record(account: Account) -> None:
    subscription = await _decline_a_renewal(account)
    invoice = (await account.invoices(subscription))[-1]

    with pytest.raises(stripe.CardError) as caught:
        await account.post(f"invoices/{invoice['id']}/pay")

    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")
    charges = await account.all("charges", customer=subscription["customer"])
    assert [charge["status"] for charge in charges] == ["succeeded", "failed", "failed"]


async def test_declined_payment_is_not_tried_again_under_its_key(account: Account) -> None:
    subscription = await _decline_a_renewal(account)
    invoice = (await account.invoices(subscription))[-1]
    path = f"invoices/{invoice['id']}/pay"

    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await account.post(path, idempotency_key="pay-1")

    assert len(await account.all("charges", customer=subscription["customer"])) == 3


async def test_first_payment_that_is_declined_leaves_it_incomplete(account: Account) -> None:
    subscription = await account.subscribe(card=_BAD)

    assert subscription["status"] == "incomplete"


async def test_incomplete_subscription_expires_after_23_hours(account: Account) -> None:
    subscription = await account.subscribe(payment_behavior="default_incomplete")
    await account.advance(22.9 / 24)
    before = await account.read(subscription)

    await account.advance(0.1 / 24)

    found = await account.read(subscription)
    (invoice,) = await account.invoices(subscription)
    assert before["status"] == "incomplete"
    assert (found["status"], invoice["status"]) == ("incomplete_expired", "void")


async def test_incomplete_subscription_is_active_once_it_is_paid(account: Account) -> None:
    subscription = await account.subscribe(payment_behavior="default_incomplete")

    await account.post(f"invoices/{subscription['latest_invoice']}/pay")

    assert (await account.read(subscription))["status"] == "active"


async def test_declined_card_can_be_made_an_error_that_leaves_nothing(account: Account) -> None:
    customer = await account.customer(_BAD)

    with pytest.raises(stripe.CardError):
        await account.post(
            "subscriptions",
            customer=customer["id"],
            items=[{"price": "price_month"}],
            payment_behavior="error_if_incomplete",
        )

    assert await account.all("subscriptions", status="all") == []
    assert await account.all("invoices") == []


async def test_card_that_wants_its_owner_asks_for_action(account: Account) -> None:
    subscription = await account.subscribe()
    await account.use_card(subscription["customer"], "pm_card_authenticationRequired")

    await account.advance(31)

    assert "invoice.payment_action_required" in await account.event_types()
    intents = await account.all("payment_intents", customer=subscription["customer"])
    assert intents[-1]["status"] == "requires_action"
