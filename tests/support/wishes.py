"""What apps, operators and buyers ask us for; what is refused or not answered changes nothing."""

import uuid
from contextlib import suppress
from typing import Final

from billing.errors import BillingError
from billing.model import Cause, Source
from billing.views import SubscriptionView
from tests.support.seller import PLANS, Seller

_QUANTITY, _CANCEL, _CANCEL_NOW, _RESUME = "quantity", "cancel", "cancel now", "resume"
CHANGES: Final = (_QUANTITY, *(plan.id for plan in PLANS))
"""What a subscription's item shall become: another plan, or another quantity alone."""
ENDINGS: Final = (_CANCEL, _CANCEL_NOW, _RESUME)

_CAUSE = Cause(Source.ADMIN, "test")
# What became of a wish at the provider, is what is looked at in the end.
_TRIED = suppress(BillingError)


async def begin(seller: Seller, client_id: str, plan: str, quantity: int) -> object:
    """Begin to buy the plan; an error is returned."""
    try:
        return await seller.checkout.begin(
            client_id, plan, return_host="h", return_to="/", quantity=quantity
        )
    except BillingError as error:
        return error


async def change(seller: Seller, client_id: str, index: int, wish: str, quantity: int) -> None:
    """Ask for a change of one of the client's subscriptions; see `CHANGES`."""
    held = await _choose(seller, client_id, index)
    if held is None:
        return
    with _TRIED:
        await seller.changes.change(
            client_id,
            held.id,
            plan_id=None if wish == _QUANTITY else wish,
            quantity=quantity,
            item=held.items[index % len(held.items)].id,
            cause=_CAUSE,
            key=uuid.uuid4().hex,
        )


async def end(seller: Seller, client_id: str, index: int, wish: str) -> None:
    """Ask for the end of one of the client's subscriptions, or for none; see `ENDINGS`."""
    held = await _choose(seller, client_id, index)
    if held is None:
        return
    key = uuid.uuid4().hex
    with _TRIED:
        if wish == _RESUME:
            await seller.changes.resume(client_id, held.id, cause=_CAUSE, key=key)
        else:
            await seller.changes.cancel(
                client_id, held.id, at_period_end=wish == _CANCEL, cause=_CAUSE, key=key
            )


async def give_back(seller: Seller, client_id: str, index: int, amount_minor: int | None) -> None:
    """Ask for money back; without an amount for all that is left."""
    page = await seller.payments.list_payments(client_id=client_id)
    if not page.payments:
        return
    chosen = page.payments[index % len(page.payments)]
    with _TRIED:
        await seller.refunds.refund(chosen.id, amount_minor, "test", _CAUSE, uuid.uuid4().hex)


async def _choose(seller: Seller, client_id: str, index: int) -> SubscriptionView | None:
    held = await seller.changes.list_views(client_id)
    return held[index % len(held)] if held else None
