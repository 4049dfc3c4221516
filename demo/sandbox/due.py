"""What falls due as time moves on: sessions expire, subscriptions renew or end."""

import asyncio

from demo.sandbox.ledger import Ledger
from demo.sandbox.sessions import expire_session
from demo.sandbox.subscriptions import settle_subscription


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
        if body["object"] == "checkout.session":
            expire_session(ledger, body, due_at_s)
        else:
            settle_subscription(ledger, body, due_at_s)
    return True
