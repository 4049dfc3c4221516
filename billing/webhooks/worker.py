"""The inbox worker: claims events and processes several objects at once."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from billing.errors import UnavailableError
from billing.ports import Clock
from billing.webhooks.inbox import Claim, Inbox
from billing.webhooks.processing import Processor

_log = structlog.get_logger("billing.worker")

# Longer than an apply can take (provider and database time-outs added up), so that no
# event is ever worked on twice at once in health.
LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`poll_s`: how often the table is looked at unasked. `concurrency`: objects at once.

    With a concurrency of 0 nothing is applied: that is left to workers of other processes.
    """

    poll_s: float
    concurrency: int


class InboxWorker:
    """Processes one provider's events; several workers may run at once, in any process."""

    def __init__(
        self, inbox: Inbox, processor: Processor, clock: Clock, settings: WorkerSettings
    ) -> None:
        self._inbox = inbox
        self._processor = processor
        self._clock = clock
        self._poll_s = settings.poll_s
        self._applies = settings.concurrency > 0
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._wake = asyncio.Event()
        self._is_retired = False

    def wake(self) -> None:
        """Look at the inbox now; called on every notice of a new event."""
        self._wake.set()

    def retire(self) -> None:
        """End after the events under way; cancelled, they would wait for the end of their lease."""
        self._is_retired = True
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled or retired; a database that is down is waited for."""
        async with asyncio.TaskGroup() as tasks:
            while not self._is_retired:
                self._wake.clear()
                if self._applies:
                    await self._start_due(tasks)
                try:
                    async with asyncio.timeout(self._poll_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass  # Nobody woke us: time to look unasked.

    async def process_one(self) -> bool:
        """Process what waits longest; False if nothing is due."""
        claim = await self._inbox.claim(self._clock(), LEASE)
        if claim is None:
            return False
        await self._processor.process(claim)
        return True

    async def _start_due(self, tasks: asyncio.TaskGroup) -> None:
        """Start on everything that is due, as places become free."""
        while not self._is_retired:
            await self._slots.acquire()
            claim = None
            try:
                if not self._is_retired:
                    claim = await self._inbox.claim(self._clock(), LEASE)
            except UnavailableError as error:
                _log.warning("inbox_unavailable", why=str(error))
            except Exception:  # noqa: BLE001 - the top of a task: whoever serves must live on
                _log.exception("inbox_failed")
            finally:
                if claim is None:
                    self._slots.release()
            if claim is None:
                return
            tasks.create_task(self._process(claim), name=f"inbox {claim.id}")

    async def _process(self, claim: Claim) -> None:
        try:
            await self._processor.process(claim)
        except Exception:  # noqa: BLE001 - the top of a task: the others must live on
            _log.exception("inbox_failed", inbox_id=claim.id)
        finally:
            self._slots.release()
            # Events that came for this object meanwhile waited for us.
            self._wake.set()
