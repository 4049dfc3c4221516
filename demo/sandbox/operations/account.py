"""The sandbox's own operations: what banks do, and how the account is set up.

Those below `/_sandbox` are no operations of Stripe's. They take the same key, and a form or
JSON. The clock, which stands beside them, is `api`'s; how events travel is `control`'s.
"""

from dataclasses import asdict

from demo.sandbox.account import ENDS_OF_DUNNING, Account, read_account, write_account
from demo.sandbox.disputes import close_dispute, open_dispute, warn_of_fraud
from demo.sandbox.errors import APIError
from demo.sandbox.operations.call import Call, Operation
from demo.sandbox.params import boolean, choice, integer, integers, text
from demo.sandbox.refunds import find_charge
from demo.sandbox.shapes import JSONObject

_CHARGE = {"charge": text, "payment_intent": text}


def _dispute(call: Call) -> JSONObject:
    return open_dispute(
        call.ledger,
        find_charge(call.ledger, call.params),
        call.at_s,
        reason=call.params.get("reason", "fraudulent"),
        amount=call.params.get("amount"),
        inquiry=call.params.get("inquiry", False),
    )


def _close_dispute(call: Call) -> JSONObject:
    if "outcome" not in call.params:
        name = "outcome"
        raise APIError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    is_won = call.params["outcome"] == "won"
    return close_dispute(call.ledger, call.subject("dispute"), call.at_s, is_won=is_won)


def _warn(call: Call) -> JSONObject:
    return warn_of_fraud(call.ledger, find_charge(call.ledger, call.params), call.at_s)


def _show_account(call: Call) -> JSONObject:
    return asdict(read_account(call.ledger.store))


def _set_account(call: Call) -> JSONObject:
    """Set what is given of the account's settings; see `Account`."""
    changed = Account(**(asdict(read_account(call.ledger.store)) | call.fields))
    if any(days < 1 for days in changed.retry_after_days):
        raise APIError("Invalid retry_after_days: at least 1 each", param="retry_after_days")
    write_account(call.ledger.store, changed)
    return asdict(changed)


ACCOUNT = (
    Operation(
        "POST",
        "/_sandbox/disputes",
        _dispute,
        {**_CHARGE, "amount": integer, "inquiry": boolean, "reason": text},
    ),
    Operation(
        "POST",
        "/_sandbox/disputes/{id}/close",
        _close_dispute,
        {"outcome": choice("won", "lost")},
    ),
    Operation("POST", "/_sandbox/early_fraud_warnings", _warn, _CHARGE),
    Operation("GET", "/_sandbox/account", _show_account),
    Operation(
        "POST",
        "/_sandbox/account",
        _set_account,
        {"dunning_end": choice(*ENDS_OF_DUNNING), "retry_after_days": integers},
    ),
)
