"""Refunds: in full or in part, at once or later, and those that fail."""

import pytest
import stripe

from tests.support.stripe_account import DAY_S, START_S, Account, Body


async def _paid_charge(account: Account, card: str = "pm_card_visa") -> Body:
    await account.subscribe(card=card)
    (charge,) = await account.all("charges")
    return charge


async def test_whole_refund_takes_the_whole_charge_back(account: Account) -> None:
    charge = await _paid_charge(account)

    refund = await account.post("refunds", payment_intent=charge["payment_intent"])

    assert (refund["status"], refund["amount"]) == ("succeeded", 1000)
    found = await account.get(f"charges/{charge['id']}")
    assert (found["refunded"], found["amount_refunded"]) == (True, 1000)
    types = await account.event_types()
    assert types[-2:] == ["refund.created", "charge.refunded"]


async def test_part_of_a_charge_can_be_refunded_twice_but_not_more_than_all(
    account: Account,
) -> None:
    charge = await _paid_charge(account)
    await account.post("refunds", charge=charge["id"], amount=300)

    await account.post("refunds", charge=charge["id"], amount=300)

    with pytest.raises(stripe.InvalidRequestError, match="not within"):
        await account.post("refunds", charge=charge["id"], amount=401)
    found = await account.get(f"charges/{charge['id']}")
    assert (found["refunded"], found["amount_refunded"]) == (False, 600)


async def test_nothing_is_left_to_refund_after_all_of_it(account: Account) -> None:
    charge = await _paid_charge(account)
    await account.post("refunds", charge=charge["id"])

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await account.post("refunds", charge=charge["id"])

    assert caught.value.code == "charge_already_refunded"


async def test_declined_charge_cannot_be_refunded(account: Account) -> None:
    charge = await _paid_charge(account, "pm_card_chargeCustomerFail")

    with pytest.raises(stripe.InvalidRequestError, match="not successful"):
        await account.post("refunds", charge=charge["id"])


@pytest.mark.parametrize("by", ["charge", "payment_intent"])
async def test_refunds_are_listed_by_what_they_are_of(account: Account, by: str) -> None:
    charge = await _paid_charge(account)
    other = await _paid_charge_of_another(account)
    refund = await account.post("refunds", charge=charge["id"], metadata={"case": "7"})
    await account.post("refunds", charge=other["id"])

    found = await account.all("refunds", **{by: refund[by]})

    assert found == [refund]
    assert await account.get(f"refunds/{refund['id']}") == refund


async def _paid_charge_of_another(account: Account) -> Body:
    await account.subscribe()
    return (await account.all("charges"))[-1]


@pytest.mark.parametrize(
    ("card", "metadata", "first", "last", "refunded"),
    [
        ("pm_card_pendingRefund", {}, "pending", "succeeded", True),
        ("pm_card_refundFail", {}, "succeeded", "failed", False),
        ("pm_card_visa", {"sandbox_outcome": "pending"}, "pending", "succeeded", True),
        ("pm_card_visa", {"sandbox_outcome": "failed_later"}, "succeeded", "failed", False),
        ("pm_card_visa", {"sandbox_outcome": "pending_failed"}, "pending", "failed", False),
    ],
)
async def test_refund_comes_to_its_end_after_a_day(
    account: Account, card: str, metadata: dict[str, str], first: str, last: str, *, refunded: bool
) -> None:
    charge = await _paid_charge(account, card)
    refund = await account.post("refunds", charge=charge["id"], metadata=metadata)

    await account.advance(1)

    found = await account.get(f"refunds/{refund['id']}")
    assert (refund["status"], found["status"]) == (first, last)
    assert (await account.get(f"charges/{charge['id']}"))["refunded"] is refunded
    ended = (await account.events("refund."))[-1]
    assert ended["type"] == ("refund.failed" if last == "failed" else "refund.updated")
    assert ended["created"] == START_S + DAY_S


async def test_refund_may_take_as_long_as_it_is_told_to(account: Account) -> None:
    charge = await _paid_charge(account)
    metadata = {"sandbox_outcome": "pending", "sandbox_after_s": "60"}

    await account.post("refunds", charge=charge["id"], metadata=metadata)
    await account.advance(1)

    (updated,) = await account.events("refund.updated")
    assert updated["created"] == START_S + 60


async def test_refunds_can_be_expanded_on_their_charge(account: Account) -> None:
    charge = await _paid_charge(account)
    refund = await account.post("refunds", charge=charge["id"])

    found = await account.get(f"charges/{charge['id']}", expand=["refunds"])

    assert found["refunds"]["data"] == [refund]
