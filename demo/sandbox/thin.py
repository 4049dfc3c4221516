"""Thin events: what happened to which object, and nothing of the object itself."""

from datetime import UTC, datetime

from demo.sandbox.shapes import JSONObject, new_id

# Where an object is fetched from, by its kind (Stripe, API reference).
_PATHS = {
    "billing_portal.session": "billing_portal/sessions",
    "charge": "charges",
    "checkout.session": "checkout/sessions",
    "customer": "customers",
    "dispute": "disputes",
    "invoice": "invoices",
    "payment_intent": "payment_intents",
    "payment_method": "payment_methods",
    "price": "prices",
    "product": "products",
    "radar.early_fraud_warning": "radar/early_fraud_warnings",
    "refund": "refunds",
    "subscription": "subscriptions",
}


def make_thin(event: JSONObject) -> JSONObject:
    """Return the thin twin of a snapshot event, with an id of its own."""
    created_at = datetime.fromtimestamp(event["created"], UTC)
    return {
        "id": new_id("v2.core.event"),
        "object": "v2.core.event",
        "changes": None,
        "context": None,
        "created": created_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "livemode": event["livemode"],
        "reason": None,
        "related_object": _related(event["data"]["object"]),
        "snapshot_event": event["id"],
        "type": f"v1.{event['type']}",
    }


def to_notification(thin: JSONObject) -> JSONObject:
    """Return what of a thin event is sent: all that says something, save its changes."""
    return {name: value for name, value in thin.items() if value is not None and name != "changes"}


def _related(subject: JSONObject) -> JSONObject | None:
    # An upcoming invoice is nowhere yet and has no id.
    path, object_id = _PATHS.get(subject["object"]), subject.get("id")
    if path is None or not object_id:
        return None
    return {"id": object_id, "type": subject["object"], "url": f"/v1/{path}/{object_id}"}
