"""Which object an event of Stripe's is about: pure, for snapshot events and thin ones.

Source: Stripe, "Types of events" and "Event Destinations" (read 2026-11). A snapshot event
carries the object as it was; a thin one its id alone, under the same type with `v1.` before.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from billing.facts import EventRef, ObjectKind, ObjectRef, ProviderSubscription
from billing.providers.stripe.fields import Json, find_id, to_instant
from billing.providers.stripe.objects import to_subscription

WATCHED = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.deleted",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.closed",
    "radar.early_fraud_warning.created",
)
"""What is asked for when events are listed: 20 types is Stripe's limit, and nothing that opens
or shuts a door changes without one of these. An inquiry that becomes a dispute takes the money
then. A checkout that expired is found by its age."""

_THIN = "v2.core.event"
_UPCOMING = "invoice.upcoming"


def to_event(body: Json) -> EventRef:
    """Read a verified event; one that is about nothing of ours has no object.

    Raises:
        UNREADABLE: the body is no event.
    """
    if body.get("object") == _THIN:
        return _to_thin_event(body)
    kind, subject = body["type"], body["data"]["object"]
    return EventRef(
        external_id=str(body["id"]),
        type=kind,
        ref=_ref(kind, subject),
        livemode=bool(body["livemode"]),
        api_version=body.get("api_version"),
        occurred_at=to_instant(body["created"]),
    )


def find_snapshot(body: Json) -> ProviderSubscription | None:
    """Return the subscription that a snapshot event carries, if it carries all of one."""
    if body.get("object") == _THIN or not body["type"].startswith("customer.subscription."):
        return None
    subscription = body["data"]["object"]
    return None if subscription["items"].get("has_more") else to_subscription(subscription)


def _to_thin_event(body: Json) -> EventRef:
    kind = body["type"].removeprefix("v1.")
    occurred_at = datetime.fromisoformat(body["created"])
    return EventRef(
        external_id=str(body["id"]),
        type=body["type"],
        ref=_ref(kind, body.get("related_object") or {}),
        livemode=bool(body["livemode"]),
        api_version=None,
        occurred_at=occurred_at if occurred_at.tzinfo else occurred_at.replace(tzinfo=UTC),
        twin=find_id(body.get("snapshot_event")),
    )


def _of_itself(subject: Json) -> str | None:
    return find_id(subject.get("id"))


def _of_its_intent(subject: Json) -> str | None:
    """Return the shortest way to the payment: its intent, else the charge, else the object."""
    ways = (subject.get(name) for name in ("payment_intent", "charge", "id"))
    return next((found for way in ways if (found := find_id(way))), None)


# The first prefix that fits decides.
_KINDS: tuple[tuple[str, ObjectKind, Callable[[Json], str | None]], ...] = (
    ("customer.subscription.", ObjectKind.SUBSCRIPTION, _of_itself),
    ("customer.deleted", ObjectKind.CUSTOMER, _of_itself),
    ("checkout.session.", ObjectKind.CHECKOUT, _of_itself),
    ("invoice.", ObjectKind.PAYMENT, _of_itself),
    ("charge.refund", ObjectKind.PAYMENT, _of_its_intent),
    ("charge.dispute.", ObjectKind.PAYMENT, _of_its_intent),
    ("refund.", ObjectKind.PAYMENT, _of_its_intent),
    ("radar.early_fraud_warning.", ObjectKind.PAYMENT, _of_its_intent),
)


def _ref(kind: str, subject: Json) -> ObjectRef | None:
    # An upcoming invoice is none yet: it has no id to read it by.
    if kind == _UPCOMING:
        return None
    for prefix, object_kind, id_of in _KINDS:
        if kind.startswith(prefix):
            found = id_of(subject)
            return ObjectRef(object_kind, found) if found else None
    return None
