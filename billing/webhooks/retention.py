"""How long settled events are kept."""

from datetime import datetime, timedelta

from billing.webhooks.inbox import Inbox

# A provider may send an event again, or list it, for 30 days; forgotten, it would count as new.
KEPT = timedelta(days=31)
_ROWS = 1000
# A hundred thousand rows a run: no more than a few seconds, and more than come in meanwhile.
_BATCHES = 100


async def prune_events(inbox: Inbox, now: datetime) -> int:
    """Delete events settled long ago, a batch at a time; return how many."""
    deleted = 0
    for _ in range(_BATCHES):
        pruned = await inbox.prune(now - KEPT, _ROWS)
        deleted += pruned
        if pruned < _ROWS:
            break
    return deleted
