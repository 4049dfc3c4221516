"""The account's own settings: how often a payment is tried again, and what follows the last try.

Stripe keeps these in its dashboard ("Manage failed payments for subscriptions").
"""

import json
from dataclasses import asdict, dataclass

from demo.sandbox.store import Store

ENDS_OF_DUNNING = ("cancel", "unpaid", "past_due")

_SETTING = "account"


@dataclass(frozen=True, slots=True)
class Account:
    """How failed payments are dealt with.

    `retry_after_days` counts from one attempt to the next; the waits add up to two weeks, as
    Stripe's default does. `dunning_end` is what a subscription is after the last attempt.
    """

    retry_after_days: tuple[int, ...] = (3, 5, 6)
    dunning_end: str = "cancel"


def read_account(store: Store) -> Account:
    """Return the settings, or the defaults where nothing was set."""
    found = json.loads(store.find_setting(_SETTING) or "{}")
    if "retry_after_days" in found:
        found["retry_after_days"] = tuple(found["retry_after_days"])
    return Account(**found)


def write_account(store: Store, account: Account) -> None:
    """Keep the settings; what is tried next follows them."""
    store.save_setting(_SETTING, json.dumps(asdict(account)))
