"""What falls due as time moves on, in the order of its due time."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from demo.sandbox.debits import settle_debit
from demo.sandbox.disputes import run_aftermath
from demo.sandbox.ledger import Ledger
from demo.sandbox.pauses import expire_resumption
from demo.sandbox.refunds import settle_refund
from demo.sandbox.renewals import settle_subscription
from demo.sandbox.sessions import expire_session
from demo.sandbox.shapes import JSONObject
from demo.sandbox.standing import retry_invoice
from demo.sandbox.trials import give_notice

# Who settles an object that fell due, by its kind. Any: what a settler returns is not used.
_SETTLERS: Mapping[str, Callable[[Ledger, JSONObject, int], Any]] = {
    "checkout.session": expire_session,
    "invoice": retry_invoice,
    "sandbox.aftermath": run_aftermath,
    "sandbox.debit": settle_debit,
    "sandbox.refund_plan": settle_refund,
    "sandbox.resumption": expire_resumption,
    "sandbox.trial_notice": give_notice,
    "subscription": settle_subscription,
}


async def settle_due(ledger: Ledger) -> int:
    """Settle everything due by the sandbox's time, oldest first; return how many things.

    Each thing is one transaction and leaves nothing half done on cancel or kill: what is
    not settled yet is still due at the next call.
    """
    count = 0
    while settle_next(ledger, ledger.clock.now_s()):
        count += 1
        # Years of renewals may be due at once; requests have their turn in between.
        await asyncio.sleep(0)
    return count


def settle_next(ledger: Ledger, now_s: int) -> bool:
    """Settle what fell due first, at the time it did; False if nothing is due."""
    with ledger.store.transaction():
        found = ledger.store.find_due(now_s)
        if found is None:
            return False
        body, due_at_s = found
        _SETTLERS[body["object"]](ledger, body, due_at_s)
    return True
