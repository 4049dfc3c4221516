"""Invoices and payment intents in our words, in the shapes before and after basil."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import ProviderRefusedError
from billing.facts import DisputeState, PaymentKind, PaymentLine, PaymentState, ProviderPayment
from billing.providers.stripe.money import (
    MoneyBack,
    find_intent_ids,
    to_invoice_payment,
    to_order_payment,
)

EXAMPLES = json.loads((Path(__file__).parents[3] / "data/stripe/examples.json").read_text())
START, END, LATER = 1_700_000_000, 1_702_592_000, 1_701_000_000
NO_MONEY_BACK = MoneyBack()


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def invoice(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(json.dumps(EXAMPLES["invoice"]))
    return (
        body
        | {
            "id": "in_1",
            "amount_due": 500,
            "currency": "eur",
            "status": "paid",
            "created": START,
            "customer": "cus_1",
            "livemode": False,
            "metadata": {},
            "parent": {
                "subscription_details": {
                    "subscription": "sub_1",
                    "metadata": {"tollway_client": "c-1", "tollway_site": "g.example"},
                }
            },
            "status_transitions": {"paid_at": LATER},
        }
        | changes
    )


def line(**changes: Any) -> dict[str, Any]:
    return {
        "id": "il_1",
        "amount": 500,
        "period": {"start": START, "end": END},
        "parent": {
            "type": "subscription_item_details",
            "subscription_item_details": {"subscription_item": "si_1", "proration": False},
        },
        "pricing": {"price_details": {"price": "price_1"}},
    } | changes


def intent(status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    charge = {"id": "ch_1", "amount": 500, "created": LATER}
    return {
        "id": "pi_1",
        "status": status,
        "amount": 500,
        "currency": "eur",
        "created": START,
        "livemode": False,
        "customer": "cus_1",
        "metadata": {"tollway_client": "c-1"},
        "latest_charge": charge if status == "succeeded" else None,
        "last_payment_error": None,
    } | changes


DECLINED = intent("requires_payment_method", last_payment_error={"code": "card_declined"})


def refund(amount: int, status: str = "succeeded", created: int = LATER) -> dict[str, Any]:
    return {"id": "re_1", "amount": amount, "status": status, "created": created}


def read(
    body: dict[str, Any] | None = None,
    *intents: dict[str, Any],
    lines: tuple[dict[str, Any], ...] = (),
    back: MoneyBack = NO_MONEY_BACK,
) -> ProviderPayment:
    return to_invoice_payment(body or invoice(), lines, intents or (intent(),), back)


def test_paid_invoice_is_read_whole() -> None:
    assert read(lines=(line(),)) == ProviderPayment(
        psp_payment_id="in_1",
        kind=PaymentKind.INVOICE,
        livemode=False,
        psp_customer_id="cus_1",
        psp_sub_id="sub_1",
        psp_intent_id="pi_1",
        amount_minor=500,
        currency="eur",
        state=PaymentState.PAID,
        refunded_minor=0,
        dispute=DisputeState.NONE,
        taken_back_at=None,
        lines=(PaymentLine("si_1", "price_1", 500, at(START), at(END), is_proration=False),),
        created_at=at(START),
        paid_at=at(LATER),
        client_ref="c-1",
        site="g.example",
    )


def test_order_is_read_whole() -> None:
    assert to_order_payment(intent(), NO_MONEY_BACK) == ProviderPayment(
        psp_payment_id="pi_1",
        kind=PaymentKind.ORDER,
        livemode=False,
        psp_customer_id="cus_1",
        psp_sub_id=None,
        psp_intent_id="pi_1",
        amount_minor=500,
        currency="eur",
        state=PaymentState.PAID,
        refunded_minor=0,
        dispute=DisputeState.NONE,
        taken_back_at=None,
        lines=(),
        created_at=at(START),
        paid_at=at(LATER),
        client_ref="c-1",
    )


def test_shape_of_before_basil_says_the_same() -> None:
    old = invoice(subscription="sub_1", payment_intent="pi_1", parent=None)
    old_line = line(subscription_item="si_1", proration=False, price={"id": "price_1"})
    del old_line["parent"], old_line["pricing"]

    found = read(old, lines=(old_line,))

    assert find_intent_ids(old) == ("pi_1",)
    expected = replace(read(lines=(line(),)), client_ref=None, site=None)
    assert found == expected


@pytest.mark.parametrize(
    ("status", "found", "state"),
    [
        ("paid", intent(), PaymentState.PAID),
        ("void", DECLINED, PaymentState.VOID),
        ("uncollectible", DECLINED, PaymentState.UNCOLLECTIBLE),
        ("draft", intent("requires_payment_method"), PaymentState.DRAFT),
        ("open", intent("requires_payment_method"), PaymentState.OPEN),
        ("open", intent("requires_action"), PaymentState.OPEN),
        ("open", intent("processing"), PaymentState.SETTLING),
        ("open", DECLINED, PaymentState.FAILED),
        ("open", intent("canceled"), PaymentState.FAILED),
        ("a_word_of_next_year", intent("requires_action"), PaymentState.OPEN),
    ],
)
def test_invoice_stands_as_it_and_its_intent_say(
    status: str, found: dict[str, Any], state: PaymentState
) -> None:
    read_state = read(invoice(status=status), found)

    assert read_state.state is state
    assert (read_state.paid_at is not None) is (state is PaymentState.PAID)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (intent(), PaymentState.PAID),
        (intent("processing"), PaymentState.SETTLING),
        (intent("requires_payment_method"), PaymentState.OPEN),
        (DECLINED, PaymentState.FAILED),
        (intent("canceled"), PaymentState.FAILED),
        (intent("requires_confirmation"), PaymentState.OPEN),
        (intent("a_word_of_next_year"), PaymentState.OPEN),
    ],
)
def test_order_stands_as_its_intent_says(found: dict[str, Any], state: PaymentState) -> None:
    read_state = to_order_payment(found, NO_MONEY_BACK)

    assert read_state.state is state
    assert (read_state.paid_at is not None) is (state is PaymentState.PAID)


def row(status: str, intent_id: str | None) -> dict[str, Any]:
    return {"status": status, "payment": {"type": "payment_intent", "payment_intent": intent_id}}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ()),
        ([row("paid", "pi_1")], ("pi_1",)),
        ([row("open", "pi_1")], ("pi_1",)),
        ([row("canceled", "pi_0"), row("open", "pi_1")], ("pi_1",)),
        # Declined, then paid anew; only the money that came can go back.
        ([row("open", "pi_0"), row("paid", "pi_1")], ("pi_1",)),
        ([row("paid", "pi_1"), row("paid", "pi_2"), row("paid", "pi_1")], ("pi_1", "pi_2")),
        # Paid by hand, outside of Stripe.
        ([row("paid", None)], ()),
    ],
)
def test_intents_of_an_invoice_are_those_that_tell(
    rows: list[dict[str, Any]], expected: tuple[str, ...]
) -> None:
    assert find_intent_ids(invoice(payments={"data": rows})) == expected


def test_invoice_paid_by_hand_is_paid() -> None:
    found = to_invoice_payment(invoice(), (), (), NO_MONEY_BACK)

    assert (found.state, found.psp_intent_id) == (PaymentState.PAID, None)


@pytest.mark.parametrize(
    ("refunds", "refunded_minor", "taken_back_at"),
    [
        ([refund(100)], 100, None),
        ([refund(500)], 500, at(LATER)),
        ([refund(100), refund(400, created=END)], 500, at(END)),
        ([refund(500, "pending")], 500, at(LATER)),
        # It came back from the payer's bank: the money is ours again.
        ([refund(500, "failed")], 0, None),
        ([refund(500, "canceled")], 0, None),
        ([refund(100), refund(400, "failed")], 100, None),
    ],
)
def test_payment_is_taken_back_by_a_full_refund_that_lasts(
    refunds: list[dict[str, Any]], refunded_minor: int, taken_back_at: datetime | None
) -> None:
    found = read(back=MoneyBack(refunds=refunds))

    assert (found.refunded_minor, found.taken_back_at) == (refunded_minor, taken_back_at)
    assert found.state is PaymentState.PAID


@pytest.mark.parametrize(
    ("statuses", "dispute", "is_taken"),
    [
        (["needs_response"], DisputeState.OPEN, True),
        (["under_review"], DisputeState.OPEN, True),
        (["lost"], DisputeState.LOST, True),
        (["won"], DisputeState.WON, False),
        (["appeal_needs_response"], DisputeState.OPEN, True),
        (["appeal_under_review"], DisputeState.OPEN, True),
        # Given back by agreement of the networks, before it came to a dispute.
        (["prevented"], DisputeState.LOST, True),
        # An inquiry: the bank asks, and takes nothing.
        (["warning_needs_response"], DisputeState.NONE, False),
        (["warning_under_review"], DisputeState.NONE, False),
        (["warning_closed"], DisputeState.NONE, False),
        (["a_word_of_next_year"], DisputeState.NONE, False),
        (["won", "needs_response"], DisputeState.OPEN, True),
        (["lost", "won"], DisputeState.LOST, True),
    ],
)
def test_dispute_takes_the_money_until_it_is_won(
    statuses: list[str], dispute: DisputeState, is_taken: bool
) -> None:
    disputes = [{"status": status, "created": LATER} for status in statuses]

    found = read(back=MoneyBack(disputes=disputes))

    assert found.dispute is dispute
    assert (found.taken_back_at == at(LATER)) is is_taken


@pytest.mark.parametrize(
    ("is_actionable", "dispute", "taken_back_at"),
    [(True, DisputeState.WARNED, at(LATER)), (False, DisputeState.NONE, None)],
)
def test_fraud_warning_shuts_while_there_is_something_to_do_about_it(
    is_actionable: bool, dispute: DisputeState, taken_back_at: datetime | None
) -> None:
    found = read(back=MoneyBack(warnings=[{"actionable": is_actionable, "created": LATER}]))

    assert (found.dispute, found.taken_back_at) == (dispute, taken_back_at)


def test_first_of_several_reasons_dates_the_end() -> None:
    back = MoneyBack(
        refunds=[refund(500, created=END)], disputes=[{"status": "lost", "created": LATER}]
    )

    assert read(back=back).taken_back_at == at(LATER)


def test_line_that_is_of_no_item_is_left_out() -> None:
    details: dict[str, Any] = {"subscription_item_details": None, "invoice_item_details": {}}
    setup_fee = line(parent=details | {"type": "invoice_item_details"})

    assert read(lines=(setup_fee,)).lines == ()


def test_proration_and_credit_are_told_apart() -> None:
    parent = {"subscription_item_details": {"subscription_item": "si_1", "proration": True}}

    (found,) = read(lines=(line(amount=-200, parent=parent),)).lines

    assert (found.amount_minor, found.is_proration) == (-200, True)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["id", "data", "status", "created"]), inner, max_size=2)
    ),
    max_leaves=4,
)
changes = st.dictionaries(
    st.sampled_from(
        ["id", "status", "parent", "payments", "created", "latest_charge", "metadata", "livemode"]
    ),
    json_values,
    max_size=3,
)


@given(changes, changes, json_values)
def test_money_of_any_shape_is_read_or_refused_and_nothing_else(
    of_invoice: dict[str, Any], of_intent: dict[str, Any], other: Any
) -> None:
    back = MoneyBack(refunds=[other], disputes=[other], warnings=[other])

    for act in (
        lambda: read(invoice() | of_invoice, intent() | of_intent, lines=(other,), back=back),
        lambda: to_order_payment(intent() | of_intent, back),
        lambda: find_intent_ids(invoice() | of_invoice),
    ):
        try:
            act()
        except ProviderRefusedError:
            continue
