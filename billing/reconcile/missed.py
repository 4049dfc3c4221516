"""Events that were never delivered: the provider's own list is compared with the inbox.

Stripe tries for three days, and then gives up; its list goes back for thirty. What is found
goes the way of every event, unsigned: the list is the provider's own word.
"""

from datetime import datetime, timedelta

import structlog

from billing.errors import ProviderRefusedError
from billing.facts import EventRef
from billing.metrics import Meter
from billing.ports import Clock, ProviderReader
from billing.storage import cursors
from billing.storage.arrivals import Stored, list_known
from billing.storage.due import Account
from billing.storage.pool import Database
from billing.webhooks.inbox import Inbox

_log = structlog.get_logger("billing.reconcile")

_FIRST_LOOK = timedelta(days=3)
# The cursor is an event, and is forgotten with it after 30 days (Stripe, "List all events").
_LONGEST_LOOK = timedelta(days=29)
# Younger ones may still be on their way.
_DELIVERY = timedelta(minutes=2)
# A thousand events at a time; the rest comes with the next tick.
_PAGES = 10


class MissedEvents:
    """Finds events that the inbox lacks. `wall` is the clock of the inbox."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        provider: ProviderReader,
        clock: Clock,
        wall: Clock,
        meter: Meter,
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._provider = provider
        self._clock = clock
        self._wall = wall
        self._meter = meter
        self._account = Account(provider.name, provider.livemode)

    async def collect(self) -> int:
        """Store what the inbox lacks, from where the last look ended; return how many.

        Only whoever has the reconciler's lease may call it.

        Raises:
            UnavailableError: the provider or the database does not answer.
        """
        async with self._database.connection() as connection:
            cursor = await cursors.find_cursor(connection, self._account)
        found = 0
        for _ in range(_PAGES):
            try:
                page = await self._provider.list_events(cursor, self._clock() - _FIRST_LOOK)
            except ProviderRefusedError as error:
                if cursor is None:
                    raise
                _log.warning("event_cursor_lost", why=str(error))
                page = await self._provider.list_events(None, self._clock() - _LONGEST_LOOK)
            ripe = _ripe(page.events, self._clock())
            found += await self._store(ripe)
            cursor = ripe[-1].external_id if ripe else cursor
            async with self._database.transaction() as connection:
                await cursors.move_cursor(connection, self._account, cursor)
            if len(ripe) < len(page.events) or not page.has_more:
                break
        return found

    async def _store(self, events: tuple[EventRef, ...]) -> int:
        ids = [event.external_id for event in events]
        async with self._database.connection() as connection:
            known = await list_known(connection, self._provider.name, ids)
        found = 0
        for event in events:
            if event.external_id in known:
                continue
            stored = await self._inbox.store(event, b"", {}, self._wall(), is_listed=True)
            if stored is Stored.NEW and event.ref is not None:
                found += 1
                self._meter.missed()
                _log.warning("event_missed", event_id=event.external_id, type=event.type)
        return found


def _ripe(events: tuple[EventRef, ...], now: datetime) -> tuple[EventRef, ...]:
    """Return the events up to the first that may still be on its way."""
    young = next((n for n, e in enumerate(events) if e.occurred_at > now - _DELIVERY), None)
    return events if young is None else events[:young]
