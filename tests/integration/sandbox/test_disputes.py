"""Disputes and early fraud warnings: how they begin and end, and what they say of the charge."""

import pytest
import stripe

from tests.support.stripe_account import Account, Body


async def _paid_charge(account: Account, card: str = "pm_card_visa") -> Body:
    await account.subscribe(card=card)
    (charge,) = await account.all("charges")
    return charge


async def _dispute(account: Account, charge: Body, **params: object) -> Body:
    return await account.ask("post", "/_sandbox/disputes", charge=charge["id"], **params)


async def test_dispute_withdraws_the_money(account: Account) -> None:
    charge = await _paid_charge(account)

    dispute = await _dispute(account, charge)

    assert (dispute["status"], dispute["amount"]) == ("needs_response", 1000)
    assert (await account.get(f"charges/{charge['id']}"))["disputed"]
    assert (await account.event_types("charge.dispute")) == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
    ]


@pytest.mark.parametrize(
    ("outcome", "status", "last"),
    [
        ("won", "won", "charge.dispute.funds_reinstated"),
        ("lost", "lost", "charge.dispute.closed"),
    ],
)
async def test_dispute_is_won_or_lost(
    account: Account, outcome: str, status: str, last: str
) -> None:
    dispute = await _dispute(account, await _paid_charge(account))

    closed = await account.ask("post", f"/_sandbox/disputes/{dispute['id']}/close", outcome=outcome)

    assert closed["status"] == status
    assert await account.get(f"disputes/{dispute['id']}") == closed
    assert (await account.event_types("charge.dispute"))[-1] == last


async def test_dispute_is_closed_once(account: Account) -> None:
    dispute = await _dispute(account, await _paid_charge(account))
    await account.post(f"disputes/{dispute['id']}/close")

    with pytest.raises(stripe.InvalidRequestError, match="closed"):
        await account.ask("post", f"/_sandbox/disputes/{dispute['id']}/close", outcome="won")

    assert (await account.get(f"disputes/{dispute['id']}"))["status"] == "lost"


@pytest.mark.parametrize(
    ("evidence", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")]
)
async def test_evidence_of_the_test_mode_decides(
    account: Account, evidence: str, status: str
) -> None:
    dispute = await _dispute(account, await _paid_charge(account))

    decided = await account.post(
        f"disputes/{dispute['id']}", evidence={"uncategorized_text": evidence}
    )

    assert decided["status"] == status


@pytest.mark.parametrize("by", ["charge", "payment_intent"])
async def test_disputes_are_listed_by_what_they_are_of(account: Account, by: str) -> None:
    dispute = await _dispute(account, await _paid_charge(account))

    assert await account.all("disputes", **{by: dispute[by]}) == [dispute]
    assert await account.all("disputes", **{by: "pi_nowhere"}) == []


async def test_disputed_charge_cannot_be_refunded_or_disputed_again(account: Account) -> None:
    charge = await _paid_charge(account)
    await _dispute(account, charge)

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await account.post("refunds", charge=charge["id"])
    with pytest.raises(stripe.InvalidRequestError):
        await _dispute(account, charge)

    assert caught.value.code == "charge_disputed"


async def test_inquiry_withdraws_nothing(account: Account) -> None:
    charge = await _paid_charge(account)

    inquiry = await _dispute(account, charge, inquiry=True)
    await account.post(f"disputes/{inquiry['id']}/close")

    assert inquiry["status"] == "warning_needs_response"
    assert not (await account.get(f"charges/{charge['id']}"))["disputed"]
    assert (await account.get(f"disputes/{inquiry['id']}"))["status"] == "warning_closed"
    assert "charge.dispute.funds_withdrawn" not in await account.event_types()


async def test_a_charge_that_was_not_paid_is_not_reported_as_fraud(account: Account) -> None:
    await account.subscribe("month", card="pm_card_chargeCustomerFail")
    (charge,) = await account.all("charges")

    with pytest.raises(stripe.InvalidRequestError, match="fraud"):
        await account.ask("post", "/_sandbox/early_fraud_warnings", charge=charge["id"])


async def test_early_fraud_warning_is_no_dispute(account: Account) -> None:
    charge = await _paid_charge(account)

    warning = await account.ask(
        "post", "/_sandbox/early_fraud_warnings", payment_intent=charge["payment_intent"]
    )

    assert (warning["charge"], warning["actionable"]) == (charge["id"], True)
    path = "radar/early_fraud_warnings"
    assert await account.get(f"{path}/{warning['id']}") == warning
    assert await account.all(path, charge=charge["id"]) == [warning]
    assert not (await account.get(f"charges/{charge['id']}"))["disputed"]
    assert (await account.event_types())[-1] == "radar.early_fraud_warning.created"


@pytest.mark.parametrize(
    ("card", "event"),
    [
        ("pm_card_createDispute", "charge.dispute.created"),
        ("pm_card_createDisputeInquiry", "charge.dispute.created"),
        ("pm_card_createIssuerFraudRecord", "radar.early_fraud_warning.created"),
    ],
)
async def test_test_card_brings_its_trouble_once_it_has_paid(
    account: Account, card: str, event: str
) -> None:
    await _paid_charge(account, card)

    assert event in await account.event_types()
