"""When time alone will change an object: pure, and in one place, so that no save forgets it."""

from demo.sandbox.shapes import JSONObject

# Stripe gives a first payment, and the payment for a pending update, 23 hours.
FIRST_PAYMENT_LIMIT_S = 23 * 3600

ENDED = frozenset({"canceled", "incomplete_expired"})


def due_s(body: JSONObject) -> int | None:
    """Return the second at which the object falls due, or None if it stays as it is.

    What only the sandbox knows, plans and notices, says so itself in `due_at_s`.
    """
    kind = body["object"]
    if kind == "subscription":
        return _subscription_due_s(body)
    found = None
    if kind == "checkout.session" and body["status"] == "open":
        found = body["expires_at"]
    elif kind == "invoice" and body["status"] == "open":
        found = body["next_payment_attempt"]
    elif kind.startswith("sandbox."):
        found = body.get("due_at_s")
    return None if found is None else int(found)


def period_end_s(subscription: JSONObject) -> int:
    """Return when the first of the items' periods ends.

    This is where `cancel_at_period_end` ends a subscription of several intervals (Stripe,
    changelog of 2025-07-30.basil, "helpers to cancel … mixed intervals").
    """
    return min(int(item["current_period_end"]) for item in subscription["items"]["data"])


def _subscription_due_s(subscription: JSONObject) -> int | None:
    status = subscription["status"]
    if status in ENDED:
        return None
    moments = [subscription["cancel_at"]]
    if status == "incomplete":
        moments.append(subscription["created"] + FIRST_PAYMENT_LIMIT_S)
    elif status != "paused":
        moments.append(period_end_s(subscription))
    moments.append((subscription["pending_update"] or {}).get("expires_at"))
    moments.append((subscription["pause_collection"] or {}).get("resumes_at"))
    return min((int(moment) for moment in moments if moment is not None), default=None)
