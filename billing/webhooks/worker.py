"""The inbox worker: claims events, reads their objects again, and marks them processed."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from billing.apply import Applier
from billing.errors import BillingError, NoSuchObjectError, UnavailableError
from billing.model import Cause, Source
from billing.ports import Clock
from billing.result import Applied, Result
from billing.storage.pool import Database
from billing.webhooks.inbox import Claimed, claim_event, postpone_event, settle_event

_log = structlog.get_logger("billing.worker")

# Longer than an apply can take (provider and database time-outs added up), so that no
# event is ever worked on twice at once in health.
LEASE = timedelta(seconds=60)
_FIRST_WAIT_S = 1.0
_MOST_DOUBLINGS = 20
_LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`poll_s`: how often the table is looked at unasked. `max_attempts`: then dead letters."""

    poll_s: float
    max_attempts: int


class InboxWorker:
    """Processes one provider's events, one at a time; several workers may run at once."""

    def __init__(
        self,
        database: Database,
        applier: Applier,
        clock: Clock,
        settings: WorkerSettings,
        *,
        psp: str,
    ) -> None:
        self._database = database
        self._applier = applier
        self._clock = clock
        self._settings = settings
        self._psp = psp
        self._wake = asyncio.Event()
        self._is_retired = False

    def wake(self) -> None:
        """Look at the inbox now; called on every notice of a new event."""
        self._wake.set()

    def retire(self) -> None:
        """End after the event under way; cancelled, it would wait for the end of its lease."""
        self._is_retired = True
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled or retired; a database that is down is waited for."""
        while not self._is_retired:
            self._wake.clear()
            try:
                while not self._is_retired and await self.process_one():
                    pass
            except UnavailableError as error:
                _log.warning("inbox_unavailable", why=str(error))
            except Exception:  # noqa: BLE001 - the top of a task: whoever serves must live on
                _log.exception("inbox_failed")
            try:
                async with asyncio.timeout(self._settings.poll_s):
                    await self._wake.wait()
            except TimeoutError:
                pass  # Nobody woke us: time to look unasked.

    async def process_one(self) -> bool:
        """Process the event that waits longest; False if none is due."""
        async with self._database.transaction() as connection:
            event = await claim_event(connection, self._psp, self._clock(), LEASE)
        if event is None:
            return False
        try:
            result = await self._handle(event)
        except NoSuchObjectError as error:
            await self._settle(event, "ignored", str(error))
        except UnavailableError as error:
            # An outage, however long, is no fault of the event.
            await self._postpone(event, str(error))
        except BillingError as error:
            await self._retry_later(event, str(error))
        except Exception as error:  # noqa: BLE001 - one bad event must not stop the others
            _log.exception("event_failed", inbox_id=event.id)
            await self._retry_later(event, repr(error))
        else:
            foreign = result.applied is Applied.FOREIGN
            await self._settle(event, "ignored" if foreign else "done", result.detail or None)
        return True

    async def _handle(self, event: Claimed) -> Result:
        if event.ref is None:
            return Result(Applied.FOREIGN, detail="about nothing of ours")
        cause = Cause(Source.WEBHOOK, f"psp:{self._psp}", event.id)
        return await self._applier.apply(event.ref, cause)

    async def _settle(self, event: Claimed, state: str, note: str | None) -> None:
        async with self._database.transaction() as connection:
            await settle_event(connection, event.id, state, self._clock(), note)
        _log.info("event_settled", inbox_id=event.id, type=event.type, state=state, note=note)

    async def _retry_later(self, event: Claimed, error: str) -> None:
        if event.attempts >= self._settings.max_attempts:
            _log.error("event_dead", inbox_id=event.id, type=event.type, error=error)
            await self._settle(event, "dead", error)
            return
        await self._postpone(event, error)

    async def _postpone(self, event: Claimed, error: str) -> None:
        wait_s = min(_FIRST_WAIT_S * 2 ** min(event.attempts - 1, _MOST_DOUBLINGS), _LONGEST_WAIT_S)
        due_at = self._clock() + timedelta(seconds=wait_s)
        async with self._database.transaction() as connection:
            await postpone_event(connection, event.id, due_at, error)
        _log.warning("event_postponed", inbox_id=event.id, wait_s=wait_s, error=error)
