"""Stripe's subscriptions, checkouts and customers in our words: pure and version-tolerant.

Field meanings: Stripe API reference of version 2026-10-28.endive ("Subscriptions",
"Checkout Sessions", "Customers"). Periods stand on items since version 2025-03-31.basil and
at the top of the subscription before; both are read.
"""

import json
from datetime import datetime

from billing.facts import (
    PauseKind,
    ProviderCheckout,
    ProviderCustomer,
    ProviderItem,
    ProviderSubscription,
)
from billing.model import CheckoutState
from billing.providers.stripe.fields import (
    CLIENT_MARK,
    SITE_MARK,
    Json,
    find_id,
    find_instant,
    find_mark,
    get_id,
    reading,
    to_instant,
)
from policies.model import SubscriptionStatus

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
# In these the first payment of a subscription did not come, or came and went.
_UNPAID = {"past_due", "unpaid", "canceled", "incomplete_expired", "paused"}
# Who the payer is; not ours to keep a second time, in clear.
_PERSONAL = {
    "customer_email",
    "customer_name",
    "customer_phone",
    "customer_address",
    "customer_shipping",
    "email",
    "name",
    "phone",
    "address",
    "shipping",
    "billing_details",
}


def to_subscription(body: Json) -> ProviderSubscription:
    """Read a subscription.

    Raises:
        ProviderRefusedError: a field without which nothing can be decided is missing.
    """
    with reading("subscription"):
        return ProviderSubscription(
            psp_sub_id=body["id"],
            psp_customer_id=get_id(body["customer"]),
            livemode=body["livemode"],
            raw_status=body["status"],
            status=_status(body),
            pause=_pause(body),
            started_at=to_instant(body.get("start_date") or body["created"]),
            trial_end=find_instant(body.get("trial_end")),
            cancel_at=_cancel_at(body),
            ended_at=find_instant(body.get("ended_at")),
            items=tuple(_item(item, body) for item in body["items"]["data"]),
            client_ref=find_mark(body, CLIENT_MARK),
            psp_payment_id=find_id(body.get("latest_invoice")),
            raw=json.dumps(_impersonal(body)),
            site=find_mark(body, SITE_MARK),
        )


def to_checkout(body: Json) -> ProviderCheckout:
    """Read a checkout session with `line_items`, `payment_intent` and `subscription` expanded.

    Raises:
        ProviderRefusedError: a field without which nothing can be decided is missing.
    """
    with reading("checkout session"):
        lines = (body.get("line_items") or {}).get("data") or []
        return ProviderCheckout(
            psp_session_id=body["id"],
            livemode=body["livemode"],
            state=_checkout_state(body),
            url=body.get("url"),
            client_ref=body.get("client_reference_id"),
            psp_customer_id=find_id(body.get("customer")),
            psp_sub_id=find_id(body.get("subscription")),
            psp_payment_id=find_id(body.get("payment_intent")),
            psp_price_ids=tuple(line["price"]["id"] for line in lines if line.get("price")),
        )


def to_customer(body: Json) -> ProviderCustomer:
    """Read a customer; a deleted one is no more than its id and a flag.

    Raises:
        ProviderRefusedError: the object is no customer.
    """
    with reading("customer"):
        return ProviderCustomer(get_id(body), is_deleted=body.get("deleted") is True)


def _status(body: Json) -> SubscriptionStatus | None:
    status = _STATUS.get(body["status"])
    is_leaving = body.get("cancel_at_period_end") or body.get("cancel_at")
    if status is SubscriptionStatus.ACTIVE and is_leaving:
        return SubscriptionStatus.CANCELING
    return status


def _pause(body: Json) -> PauseKind | None:
    """Read how the subscription rests; a behaviour that is new to us counts as the strictest."""
    if body["status"] == "paused":
        return PauseKind.STATUS
    collection = body.get("pause_collection")
    if not collection:
        return None
    try:
        return PauseKind(collection.get("behavior"))
    except ValueError:
        return PauseKind.VOID


def _cancel_at(body: Json) -> datetime | None:
    """Read when it ends; at period end is with the first of its items (since 2025-07-30.basil)."""
    at = find_instant(body.get("cancel_at"))
    if at is None and body.get("cancel_at_period_end"):
        ends = [_period(item, body)[1] for item in body["items"]["data"]]
        return min(ends, default=None)
    return at


def _item(item: Json, subscription: Json) -> ProviderItem:
    start, end = _period(item, subscription)
    # A metered price has no quantity; 0 is what somebody set it to.
    quantity = item.get("quantity")
    return ProviderItem(
        psp_item_id=item["id"],
        psp_price_id=item["price"]["id"],
        quantity=1 if quantity is None else int(quantity),
        period_start=start,
        period_end=end,
    )


def _period(item: Json, subscription: Json) -> tuple[datetime, datetime]:
    start = item.get("current_period_start") or subscription["current_period_start"]
    end = item.get("current_period_end") or subscription["current_period_end"]
    return to_instant(start), to_instant(end)


def _checkout_state(body: Json) -> CheckoutState:
    if body["status"] == "open":
        return CheckoutState.OPEN
    if body["status"] == "expired":
        return CheckoutState.EXPIRED
    # Completed is not paid: SEPA and other debits settle days later.
    if body["payment_status"] in {"paid", "no_payment_required"}:
        return CheckoutState.PAID
    # A debit that failed leaves the session as it was; what it paid for tells.
    intent, subscription = body.get("payment_intent"), body.get("subscription")
    if isinstance(intent, dict) and intent["status"] in {"canceled", "requires_payment_method"}:
        return CheckoutState.FAILED
    if isinstance(subscription, dict) and subscription["status"] in _UNPAID:
        return CheckoutState.FAILED
    return CheckoutState.SETTLING


def _impersonal(value: object) -> object:
    if isinstance(value, dict):
        return {k: _impersonal(v) for k, v in value.items() if k not in _PERSONAL}
    if isinstance(value, list):
        return [_impersonal(v) for v in value]
    return value
