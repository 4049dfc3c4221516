"""Invoices: their payments, and the ways to close one."""

import pytest
import stripe

from tests.support.stripe_account import Account, Body


async def _open_invoice(account: Account) -> tuple[Body, Body]:
    """Return a subscription past due, and the invoice that it is past due with."""
    subscription = await account.subscribe()
    await account.use_card(subscription["customer"], "pm_card_chargeCustomerFail")
    await account.advance(31)
    return subscription, (await account.invoices(subscription))[-1]


async def test_invoice_names_its_subscription_and_its_payment(account: Account) -> None:
    subscription = await account.subscribe()

    (invoice,) = await account.invoices(subscription)
    (payment,) = await account.all("invoice_payments", invoice=invoice["id"])

    details = invoice["parent"]["subscription_details"]
    assert details["subscription"] == subscription["id"]
    assert (payment["status"], payment["amount_paid"]) == ("paid", 1000)
    intent = await account.get(f"payment_intents/{payment['payment']['payment_intent']}")
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 1000)


async def test_payment_is_found_by_its_intent_and_by_its_id(account: Account) -> None:
    subscription = await account.subscribe()
    (payment,) = await account.all("invoice_payments", invoice=subscription["latest_invoice"])

    found = await account.all(
        "invoice_payments",
        payment={
            "type": "payment_intent",
            "payment_intent": payment["payment"]["payment_intent"],
        },
    )

    assert found == [payment]
    assert await account.get(f"invoice_payments/{payment['id']}") == payment


async def test_payments_can_be_expanded(account: Account) -> None:
    subscription = await account.subscribe()

    invoice = await account.get(
        f"invoices/{subscription['latest_invoice']}",
        expand=["payments.data.payment.payment_intent"],
    )

    (payment,) = invoice["payments"]["data"]
    assert payment["payment"]["payment_intent"]["status"] == "succeeded"


async def test_every_attempt_is_a_charge_of_the_same_intent(account: Account) -> None:
    subscription, invoice = await _open_invoice(account)

    await account.advance(3)

    (payment,) = await account.all("invoice_payments", invoice=invoice["id"])
    intent_id = payment["payment"]["payment_intent"]
    charges = await account.all("charges", payment_intent=intent_id)
    assert [charge["status"] for charge in charges] == ["failed", "failed"]
    intent = await account.get(f"payment_intents/{intent_id}")
    assert intent["latest_charge"] == charges[-1]["id"]
    assert intent["last_payment_error"]["decline_code"] == "generic_decline"
    assert subscription["customer"] == charges[0]["customer"]


async def test_invoice_paid_elsewhere_has_no_charge(account: Account) -> None:
    subscription, invoice = await _open_invoice(account)

    paid = await account.post(f"invoices/{invoice['id']}/pay", paid_out_of_band=True)

    assert (paid["status"], paid["amount_remaining"]) == ("paid", 0)
    assert (await account.read(subscription))["status"] == "active"
    (payment,) = await account.all("invoice_payments", invoice=invoice["id"])
    assert payment["status"] == "canceled"
    assert [c["status"] for c in await account.all("charges")] == ["succeeded", "failed"]


@pytest.mark.parametrize(
    ("act", "status", "event"),
    [
        ("void", "void", "invoice.voided"),
        ("mark_uncollectible", "uncollectible", "invoice.marked_uncollectible"),
    ],
)
async def test_closing_the_latest_invoice_ends_past_due(
    account: Account, act: str, status: str, event: str
) -> None:
    subscription, invoice = await _open_invoice(account)

    closed = await account.post(f"invoices/{invoice['id']}/{act}")

    assert closed["status"] == status
    assert (await account.read(subscription))["status"] == "active"
    assert event in await account.event_types()


async def test_voiding_the_latest_leaves_what_an_older_one_says(account: Account) -> None:
    await account.ask("post", "/_sandbox/account", dunning_end="past_due")
    subscription, _ = await _open_invoice(account)
    await account.advance(31)
    latest = (await account.invoices(subscription))[-1]

    await account.post(f"invoices/{latest['id']}/void")

    assert (await account.read(subscription))["status"] == "past_due"


async def test_older_invoice_does_not_decide_on_the_status(account: Account) -> None:
    await account.ask("post", "/_sandbox/account", dunning_end="past_due")
    subscription, older = await _open_invoice(account)
    await account.advance(31)
    await account.use_card(subscription["customer"], "pm_card_visa")

    await account.post(f"invoices/{older['id']}/pay")

    assert (await account.read(subscription))["status"] == "past_due"


async def test_written_off_invoice_can_still_be_paid(account: Account) -> None:
    subscription, invoice = await _open_invoice(account)
    await account.post(f"invoices/{invoice['id']}/mark_uncollectible")
    await account.use_card(subscription["customer"], "pm_card_visa")

    paid = await account.post(f"invoices/{invoice['id']}/pay")

    assert paid["status"] == "paid"


@pytest.mark.parametrize("act", ["pay", "void", "mark_uncollectible", "finalize"])
async def test_paid_invoice_cannot_be_closed_again(account: Account, act: str) -> None:
    subscription = await account.subscribe()

    with pytest.raises(stripe.InvalidRequestError):
        await account.post(f"invoices/{subscription['latest_invoice']}/{act}")


async def test_void_invoice_is_not_tried_again(account: Account) -> None:
    _, invoice = await _open_invoice(account)
    await account.post(f"invoices/{invoice['id']}/void")

    await account.advance(20)

    assert await account.get(f"invoices/{invoice['id']}") == (
        await account.get(f"invoices/{invoice['id']}")
    ) | {"attempt_count": 1, "status": "void"}


@pytest.mark.parametrize(("status", "count"), [("paid", 1), ("open", 1), ("draft", 0), ("void", 0)])
async def test_invoices_are_listed_by_status(account: Account, status: str, count: int) -> None:
    subscription, _ = await _open_invoice(account)

    found = await account.all("invoices", customer=subscription["customer"], status=status)

    assert [invoice["status"] for invoice in found] == [status] * count
