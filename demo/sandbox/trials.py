"""Trials: the notice before one ends, and how long one may be."""

from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject

_DAY_S = 86_400
# Stripe tells three days before a trial ends, or at once where it is shorter.
_NOTICE_S = 3 * _DAY_S
# Stripe's bound ("Trial periods on subscriptions").
_LONGEST_DAYS = 730
_NOTICE = "sandbox.trial_notice"


def trial_end_of(params: JSONObject, at_s: int) -> int | None:
    """Return when the trial ends that `trial_end` or `trial_period_days` asks for, or None.

    Raises:
        APIError: both are given, or the trial would be over already or last too long.
    """
    days, end_s = params.get("trial_period_days"), params.get("trial_end")
    if days is not None and end_s is not None:
        message = "You may only specify one of these parameters: trial_period_days, trial_end."
        raise APIError(message, param="trial_end")
    if days is not None:
        if not 1 <= days <= _LONGEST_DAYS:
            message = f"Invalid trial_period_days: must be 1 to {_LONGEST_DAYS}"
            raise APIError(message, param="trial_period_days")
        return int(at_s + days * _DAY_S)
    if end_s is None or end_s == "now":
        return None
    check_trial_end(end_s, at_s)
    return int(end_s)


def check_trial_end(end_s: int, at_s: int) -> None:
    """Refuse an end that has passed or lies too far ahead."""
    if not at_s < end_s <= at_s + _LONGEST_DAYS * _DAY_S:
        message = "Invalid timestamp: must be in the future and within two years."
        raise APIError(message, param="trial_end")


def plan_notice(ledger: Ledger, subscription: JSONObject, at_s: int) -> None:
    """Have `trial_will_end` announced in time; a new end takes the place of an old one."""
    end_s = subscription["trial_end"]
    notice = {
        "id": f"trial_notice_of_{subscription['id']}",
        "object": _NOTICE,
        "subscription": subscription["id"],
        "trial_end": end_s,
        "due_at_s": max(at_s, end_s - _NOTICE_S),
    }
    ledger.store.delete(notice["id"])
    ledger.save(notice)


def give_notice(ledger: Ledger, notice: JSONObject, at_s: int) -> None:
    """Announce that the trial will end, unless it is over or runs to another end by now."""
    ledger.store.delete(notice["id"])
    subscription = ledger.get("subscription", notice["subscription"])
    is_same = subscription["trial_end"] == notice["trial_end"]
    if subscription["status"] == "trialing" and is_same:
        ledger.announce("customer.subscription.trial_will_end", subscription, at_s)
