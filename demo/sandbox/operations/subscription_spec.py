"""The parameters of subscriptions."""

from demo.sandbox.params import (
    Spec,
    boolean,
    choice,
    clearable,
    group,
    groups,
    integer,
    metadata,
    moment,
    text,
)

_PRORATION = choice("always_invoice", "create_prorations", "none")
_ANCHOR = choice("now", "unchanged")
_DETAILS = group(
    {
        "comment": clearable(text),
        "feedback": clearable(
            choice(
                *("customer_service", "low_quality", "missing_features", "other"),
                *("switched_service", "too_complex", "too_expensive", "unused"),
            )
        ),
    }
)
_SETTINGS = group(
    {"end_behavior": group({"missing_payment_method": choice("cancel", "create_invoice", "pause")})}
)
TRIAL: Spec = {
    "trial_period_days": integer,
    "trial_end": moment("now"),
    "trial_settings": _SETTINGS,
}
_SHARED: Spec = {
    "cancel_at": clearable(moment("min_period_end", "max_period_end")),
    "cancel_at_period_end": boolean,
    "default_payment_method": clearable(text),
    "description": clearable(text),
    "metadata": metadata,
    "off_session": boolean,
    "payment_settings": group({"save_default_payment_method": text}),
    "proration_behavior": _PRORATION,
    "trial_end": moment("now"),
    "trial_settings": _SETTINGS,
}
CREATE: Spec = {
    **_SHARED,
    "customer": text,
    "items": groups({"price": text, "quantity": integer, "metadata": metadata}),
    "payment_behavior": choice("allow_incomplete", "default_incomplete", "error_if_incomplete"),
    "trial_period_days": integer,
}
UPDATE: Spec = {
    **_SHARED,
    "billing_cycle_anchor": _ANCHOR,
    "cancellation_details": _DETAILS,
    "items": groups(
        {
            "id": text,
            "price": text,
            "quantity": integer,
            "deleted": boolean,
            "metadata": metadata,
            "clear_usage": boolean,
        }
    ),
    "pause_collection": clearable(
        group(
            {
                "behavior": choice("keep_as_draft", "mark_uncollectible", "void"),
                "resumes_at": integer,
            }
        )
    ),
    "payment_behavior": choice(
        *("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete")
    ),
}
CANCEL: Spec = {
    "cancellation_details": _DETAILS,
    "invoice_now": boolean,
    "prorate": boolean,
}
PAUSE: Spec = {
    "bill_for": group(
        {
            "outstanding_usage_through": group({"type": choice("none", "now")}),
            "unused_time_from": group({"type": choice("item_current_period_start", "none", "now")}),
        }
    ),
    "invoicing_behavior": choice("invoice", "pending_invoice_item"),
    "type": choice("subscription"),
}
RESUME: Spec = {
    "billing_cycle_anchor": group({"type": _ANCHOR}),
    "payment_behavior": choice("resume_on_payment_attempt", "resume_on_payment_success"),
    "proration_behavior": _PRORATION,
}
