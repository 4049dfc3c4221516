"""Stripe's objects in our words: pure, total over what Stripe documents, and version-tolerant.

Field meanings: Stripe API reference of version 2026-10-28.endive ("Subscriptions",
"Checkout Sessions", "Invoices"). Periods stand on items since version 2025-03-31.basil and
at the top of the subscription before; both are read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from billing.errors import ProviderRefusedError
from billing.model import (
    CheckoutState,
    EventRef,
    ObjectKind,
    ProviderCheckout,
    ProviderItem,
    ProviderPayment,
    ProviderSubscription,
)
from policies.model import SubscriptionStatus

# What reading JSON of another shape, or an instant that no calendar has, can raise.
UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, OverflowError, OSError)

# JSON of another party: its shape is checked by reading it, in this file alone.
Json = Mapping[str, Any]

_STATUS = {
    "incomplete": SubscriptionStatus.PENDING,
    "incomplete_expired": SubscriptionStatus.ENDED,
    "trialing": SubscriptionStatus.TRIALING,
    "active": SubscriptionStatus.ACTIVE,
    "past_due": SubscriptionStatus.PAST_DUE,
    "unpaid": SubscriptionStatus.UNPAID,
    "paused": SubscriptionStatus.PAUSED,
    "canceled": SubscriptionStatus.ENDED,
}


def to_subscription(body: Json, raw: str) -> ProviderSubscription:
    """Read a subscription with its `latest_invoice` expanded.

    Raises:
        ProviderRefusedError: a field without which nothing can be decided is missing.
    """
    try:
        return ProviderSubscription(
            psp_sub_id=body["id"],
            psp_customer_id=_known_id(body["customer"]),
            livemode=body["livemode"],
            raw_status=body["status"],
            status=_status(body),
            started_at=_instant(body.get("start_date") or body["created"]),
            trial_end=_maybe_instant(body.get("trial_end")),
            cancel_at=_cancel_at(body),
            ended_at=_maybe_instant(body.get("ended_at")),
            items=tuple(_item(item, body) for item in body["items"]["data"]),
            client_ref=(body.get("metadata") or {}).get("tollway_client"),
            payment=_invoice_payment(body.get("latest_invoice")),
            raw=raw,
        )
    except UNREADABLE as error:
        raise ProviderRefusedError(f"unreadable subscription: {error!r}") from error


def to_checkout(body: Json) -> ProviderCheckout:
    """Read a checkout session with its `line_items` expanded.

    Raises:
        ProviderRefusedError: a field without which nothing can be decided is missing.
    """
    try:
        lines = (body.get("line_items") or {}).get("data") or []
        return ProviderCheckout(
            psp_session_id=body["id"],
            livemode=body["livemode"],
            state=_checkout_state(body),
            url=body.get("url"),
            client_ref=body.get("client_reference_id"),
            psp_customer_id=_id(body.get("customer")),
            psp_sub_id=_id(body.get("subscription")),
            psp_price_ids=tuple(line["price"]["id"] for line in lines if line.get("price")),
            payment=_order_payment(body),
        )
    except UNREADABLE as error:
        raise ProviderRefusedError(f"unreadable checkout session: {error!r}") from error


def to_event(body: Json) -> EventRef:
    """Read a verified event; one that is about nothing of ours has no object.

    Raises:
        UNREADABLE: the body is no event.
    """
    kind, object_id = _subject(body["type"], body["data"]["object"])
    return EventRef(
        external_id=str(body["id"]),
        type=str(body["type"]),
        object_kind=kind,
        object_id=object_id,
        livemode=bool(body["livemode"]),
        api_version=body.get("api_version"),
        occurred_at=_instant(body["created"]),
    )


def _subject(event_type: str, body: Json) -> tuple[ObjectKind | None, str | None]:
    if event_type.startswith("customer.subscription."):
        return ObjectKind.SUBSCRIPTION, str(body["id"])
    if event_type.startswith("checkout.session."):
        return ObjectKind.CHECKOUT, str(body["id"])
    if event_type.startswith("invoice."):
        details = (body.get("parent") or {}).get("subscription_details") or {}
        found = _id(details.get("subscription")) or _id(body.get("subscription"))
        return (ObjectKind.SUBSCRIPTION, found) if found else (None, None)
    return None, None


def _status(body: Json) -> SubscriptionStatus | None:
    status = _STATUS.get(body["status"])
    if status is SubscriptionStatus.ACTIVE:
        # Stripe leaves the status `active` while collection is paused and invoices are
        # voided: nobody pays, so nobody passes (pay-rails/pay#659).
        pause = body.get("pause_collection")
        if pause and pause.get("behavior") == "void":
            return SubscriptionStatus.PAUSED
        if body.get("cancel_at_period_end") or body.get("cancel_at"):
            return SubscriptionStatus.CANCELING
    return status


def _cancel_at(body: Json) -> datetime | None:
    at = _maybe_instant(body.get("cancel_at"))
    if at is None and body.get("cancel_at_period_end"):
        ends = [_period(item, body)[1] for item in body["items"]["data"]]
        return max(ends, default=None)
    return at


def _item(item: Json, subscription: Json) -> ProviderItem:
    start, end = _period(item, subscription)
    return ProviderItem(
        psp_item_id=item["id"],
        psp_price_id=item["price"]["id"],
        quantity=item.get("quantity") or 1,
        period_start=start,
        period_end=end,
    )


def _period(item: Json, subscription: Json) -> tuple[datetime, datetime]:
    start = item.get("current_period_start") or subscription["current_period_start"]
    end = item.get("current_period_end") or subscription["current_period_end"]
    return _instant(start), _instant(end)


def _invoice_payment(invoice: object) -> ProviderPayment | None:
    if not isinstance(invoice, Mapping):
        return None
    return ProviderPayment(
        psp_payment_id=invoice["id"],
        kind="invoice",
        amount_minor=invoice["amount_due"],
        currency=invoice["currency"],
        status=invoice["status"] or "unknown",
        created_at=_instant(invoice["created"]),
    )


def _order_payment(body: Json) -> ProviderPayment | None:
    intent = _id(body.get("payment_intent"))
    if body.get("mode") != "payment" or intent is None:
        return None
    return ProviderPayment(
        psp_payment_id=intent,
        kind="order",
        amount_minor=body["amount_total"] or 0,
        currency=body["currency"],
        status=body["payment_status"],
        created_at=_instant(body["created"]),
    )


def _checkout_state(body: Json) -> CheckoutState:
    if body["status"] == "open":
        return CheckoutState.OPEN
    if body["status"] == "expired":
        return CheckoutState.EXPIRED
    # Completed is not paid: SEPA and other debits settle days later.
    if body["payment_status"] in {"paid", "no_payment_required"}:
        return CheckoutState.PAID
    return CheckoutState.SETTLING


def _id(value: object) -> str | None:
    """Return the id of a field that holds an id, or the object when it was expanded."""
    if isinstance(value, Mapping):
        return str(value["id"])
    return str(value) if value else None


def _known_id(value: object) -> str:
    found = _id(value)
    if found is None:
        raise ValueError("no id")
    return found


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe_instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else _instant(seconds)
