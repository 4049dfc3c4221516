"""What the document shows: one story, of a client who buys a plan. A test checks each."""

from typing import Any, Final

# What JSON can say.
Example = dict[str, Any]

CLIENT_ID: Final = "6f1c2a54-0b3e-4b8e-9d0a-2f9f3a1f7c11"
PAYMENT_ID: Final = "0d9b6b0e-6c53-4a8b-8a37-9b3a4f0a52c7"
SUBSCRIPTION_ID: Final = "b3f0c9de-5d51-4c83-bc0f-6a7a5f6f1d20"
GRANT_ID: Final = "3a1e7f30-9c8f-4a52-8e62-7f2f1f0a9d33"

_BEGAN = "2026-12-01T12:00:00Z"
_ENDS = "2027-01-01T12:00:00Z"

CLIENT: Final[Example] = {
    "id": CLIENT_ID,
    "external_id": "https://login.example|42",
    "name": "Ann Example",
    "email": "ann@example.com",
    "app_id": "notes",
    "status": "active",
    "created_at": _BEGAN,
}
NEW_CLIENT: Final[Example] = {
    key: CLIENT[key] for key in ("external_id", "name", "email", "app_id")
}
START_PAYMENT: Final[Example] = {"client_id": CLIENT_ID, "plan": "team", "quantity": 5}
OPEN_PAYMENT: Final[Example] = {
    "id": PAYMENT_ID,
    "client_id": CLIENT_ID,
    "plan": "team",
    "quantity": 5,
    "amount_minor": 4500,
    "currency": "eur",
    "status": "open",
    "refunded_minor": 0,
    "checkout_url": "https://checkout.stripe.com/c/pay/cs_test_a1",
    "subscription_id": None,
    "created_at": _BEGAN,
    "paid_at": None,
}
PAID_PAYMENT: Final[Example] = OPEN_PAYMENT | {
    "status": "paid",
    "checkout_url": None,
    "subscription_id": SUBSCRIPTION_ID,
    "paid_at": "2026-12-01T12:01:30Z",
}
GIVE_BACK: Final[Example] = {"amount_minor": 900, "reason": "one seat was never used"}
REFUND: Final[Example] = {
    "id": "c7e4c1a0-3f43-4a53-9d27-51f4be6a1b08",
    "payment_id": PAYMENT_ID,
    "amount_minor": 900,
    "currency": "eur",
    "reason": "one seat was never used",
    "created_at": "2026-12-02T09:00:00Z",
}
NEW_SUBSCRIPTION: Final[Example] = {"client_id": CLIENT_ID, "plan": "team", "quantity": 5}
SUBSCRIPTION: Final[Example] = {
    "id": SUBSCRIPTION_ID,
    "client_id": CLIENT_ID,
    "status": "active",
    "items": [
        {
            "id": "si_1",
            "plan": "team",
            "version": 1,
            "quantity": 5,
            "period_start": _BEGAN,
            "period_end": _ENDS,
            "until_at": "2027-01-01T13:00:00Z",
        }
    ],
    "shared": False,
    "started_at": _BEGAN,
    "cancel_at": None,
    "ended_at": None,
    "payment_id": None,
    "checkout_url": None,
}
CANCELING: Final[Example] = SUBSCRIPTION | {"status": "canceling", "cancel_at": _ENDS}
PLAN: Final[Example] = {
    "id": "team",
    "version": 1,
    "name": "Team",
    "description": "Notes and the wiki, for a whole team.",
    "amount_minor": 900,
    "currency": "eur",
    "interval": "month",
    "trial_days": 0,
    "max_quantity": 50,
    "grace_days": 3,
    "features": [
        {"app_id": "notes", "feature": "access", "value": True},
        {"app_id": "wiki", "feature": "access", "value": True},
    ],
}
GIVE_GRANT: Final[Example] = {
    "app_id": "notes",
    "until_at": _ENDS,
    "reason": "a month on the house after the outage",
}
GRANT: Final[Example] = {
    "id": GRANT_ID,
    "client_id": CLIENT_ID,
    "app_id": "notes",
    "feature": "access",
    "value": True,
    "from_at": _BEGAN,
    "until_at": _ENDS,
    "ended_at": None,
    "reason": "a month on the house after the outage",
    "actor": "credential:9a7f3f0e-2a51-4d9f-8f5e-0c6f6d3a1b22",
}
LAY_BLOCK: Final[Example] = {"service": "fraud", "reason": "three stolen cards in an hour"}
BLOCK: Final[Example] = {
    "id": "5d0f0f44-1b7e-4f0b-8f5a-3c1b5b7e9a10",
    "client_id": CLIENT_ID,
    "app_id": None,
    "service": "fraud",
    "from_at": _BEGAN,
    "until_at": None,
    "reason": "three stolen cards in an hour",
    "actor": "credential:9a7f3f0e-2a51-4d9f-8f5e-0c6f6d3a1b22",
}
ENTITLEMENTS: Final[Example] = {
    "client_id": CLIENT_ID,
    "version": 7,
    "decided_at": _BEGAN,
    "decisions": [
        {
            "app_id": "notes",
            "feature": "access",
            "outcome": "allow",
            "reason": "grant_live",
            "plan": "team",
            "status": "active",
            "features": {"access": True},
            "valid_until": "2027-01-01T13:00:00Z",
        }
    ],
    "grants": [
        {
            "app_id": "notes",
            "feature": "access",
            "value": True,
            "from_at": _BEGAN,
            "until_at": "2027-01-01T13:00:00Z",
            "plan": "team",
            "status": "active",
        }
    ],
    "blocks": [],
}
EVENT: Final[Example] = {
    "id": 4711,
    "provider": "stripe",
    "external_id": "evt_1",
    "type": "invoice.paid",
    "object": "payment:in_1",
    "state": "done",
    "attempts": 1,
    "found_by": "webhook",
    "occurred_at": _BEGAN,
    "received_at": "2026-12-01T12:00:02Z",
    "next_attempt_at": None,
    "processed_at": "2026-12-01T12:00:03Z",
    "last_error": None,
}
AUDIT_ROW: Final[Example] = {
    "seq": 88,
    "at": _BEGAN,
    "actor": "client:6f1c2a54-0b3e-4b8e-9d0a-2f9f3a1f7c11",
    "action": "subscription.cancel",
    "client_id": CLIENT_ID,
    "before": None,
    "after": {"subscription": "sub_1"},
    "cause_inbox_id": None,
    "cause_request_id": "9f2c4b7de01a4b6c8d5e",
}
RETURN: Final[Example] = {"return_url": "https://notes.example.com/settings"}
PORTAL: Final[Example] = {"url": "https://billing.stripe.com/p/session/test_1"}


def page_of(example: Example) -> Example:
    """Return a list's last part with the one example."""
    return {"items": [example], "next": None}
