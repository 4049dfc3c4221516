"""What a subscription's payments say of its items: pure, and a part of `derive`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from billing.client_facts import ItemFact, PaymentFact, SubscriptionFact
from billing.entitled_until import ItemMoney
from billing.facts import PaymentLine, PaymentState

# Money that was asked for and has not come.
_OWED = frozenset({PaymentState.OPEN, PaymentState.SETTLING, PaymentState.FAILED})
# Money that has not come, and may yet come.
_OUT = _OWED | {PaymentState.DRAFT}

# A payment that came, and what it was for.
Paid = tuple[PaymentFact, PaymentLine]


def as_paid(item: ItemFact, held: SubscriptionFact) -> tuple[ItemFact, list[Paid]]:
    """Return the item at the price that is paid for, and what was paid for it.

    A change to a dearer price whose money has not come, or is gone again, leaves what was
    paid for at the price before: the new plan is not had for the old money, and the old
    one is not lost.
    """
    paid = [
        (payment, line)
        for payment in held.payments
        if payment.state is PaymentState.PAID
        for line in _lines_of(item, payment)
    ]
    unpaid_from = _unpaid_from(item, held, paid)
    left = [
        line
        for payment, line in paid
        if unpaid_from is not None
        and payment.taken_back_at is None
        and payment.amount_minor > 0
        and line.psp_price_id not in {None, item.psp_price_id}
        and line.period_end > unpaid_from
    ]
    if not left:
        return item, paid
    last = max(left, key=lambda line: (line.period_end, line.period_start, line.psp_price_id))
    before = replace(
        item,
        psp_price_id=last.psp_price_id or item.psp_price_id,
        period_end=min(item.period_end, last.period_end),
    )
    return before, [(p, line) for p, line in paid if line.psp_price_id == last.psp_price_id]


def _unpaid_from(item: ItemFact, held: SubscriptionFact, paid: Sequence[Paid]) -> datetime | None:
    """Return since when the item's present price is not paid for; None where it is.

    Where nothing was asked for at that price, it is: what cost more has covered it.
    """
    last = max((line.period_end for _, line in paid), default=None)
    own = [(p, line) for p, line in paid if line.psp_price_id in {None, item.psp_price_id}]
    if any(line.period_end == last for _, line in own):
        return _taken_back_at(own)
    asked = [
        line.period_start
        for payment in held.payments
        if payment.state in _OUT and payment.amount_minor > 0
        for line in _lines_of(item, payment)
        if line.psp_price_id == item.psp_price_id
    ]
    return min(asked, default=None)


def money_of(item: ItemFact, held: SubscriptionFact, paid: Sequence[Paid]) -> ItemMoney:
    """Return what the subscription's payments say of one of its items."""
    kept = [line.period_end for payment, line in paid if payment.taken_back_at is None]
    return ItemMoney(
        paid_through=max(kept, default=None),
        is_awaited=not paid and not _was_paid_unlisted(held) and _is_out(item, held),
        taken_back_at=_taken_back_at(paid),
    )


def _lines_of(item: ItemFact, payment: PaymentFact) -> list[PaymentLine]:
    """Return what the payment asked for the item; a negative line is a credit and pays nothing."""
    return [
        line
        for line in payment.lines
        if line.psp_item_id == item.psp_item_id and line.amount_minor >= 0
    ]


def _was_paid_unlisted(held: SubscriptionFact) -> bool:
    """Tell whether money came of which we do not know for which item (rows of old versions)."""
    return any(p.state is PaymentState.PAID and not p.lines for p in held.payments)


def _is_out(item: ItemFact, held: SubscriptionFact) -> bool:
    """Tell whether money for the item is still to come, or may be: its payment is not read yet."""
    known = {payment.psp_payment_id for payment in held.payments}
    if held.psp_payment_id is not None and held.psp_payment_id not in known:
        return True
    return any(
        payment.state in _OUT and payment.amount_minor > 0 and _lines_of(item, payment)
        for payment in held.payments
    )


def _taken_back_at(paid: Sequence[Paid]) -> datetime | None:
    """Return since when all that paid for the item's last paid period is gone, if it is.

    An upgrade within a period pays for the same end as the period's own payment: only
    with both gone is nothing left. A change that cost nothing is no money that is left;
    where nothing was to be paid at all, nothing can be taken back.
    """
    last = max((line.period_end for _, line in paid), default=None)
    gone = [p.taken_back_at for p, line in paid if line.period_end == last and p.amount_minor > 0]
    instants = [at for at in gone if at is not None]
    return max(instants, default=None) if len(instants) == len(gone) else None


def owing_since(payments: Iterable[PaymentFact]) -> datetime | None:
    """Return when the oldest payment was asked for that came due after the last that was paid.

    By the provider's clock: when we happened to notice must not lengthen the grace. What is
    left as a draft (collection was paused, or given up) was never asked for, and uses up none.
    """
    listed = list(payments)
    paid = [p.created_at for p in listed if p.state is PaymentState.PAID]
    last_paid = max(paid, default=None)
    owed = [
        p.created_at
        for p in listed
        if p.state in _OWED
        and p.amount_minor > 0
        and (last_paid is None or p.created_at > last_paid)
    ]
    return min(owed, default=None)
