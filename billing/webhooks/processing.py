"""What is done with claimed events: their object is read again, and they are settled by that."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from billing.apply import Applier
from billing.errors import BillingError, NoSuchObjectError, UnavailableError
from billing.facts import ObjectKind
from billing.metrics import Meter, Settlement
from billing.model import Cause, Source
from billing.ports import Clock, ProviderReader
from billing.result import Applied, Result
from billing.webhooks.inbox import Claim, Inbox

_log = structlog.get_logger("billing.worker")

_FIRST_WAIT_S = 1.0
_MOST_DOUBLINGS = 20
_LONGEST_WAIT_S = 3600.0
# While the database is down there is nothing else to do than to ask again.
_SETTLE_AGAIN_S = 2.0
# Events made due at a time when an outage ends: some minutes of work, and no stampede.
_HASTENED = 200


class Processor:
    """Processes claimed events of one provider; safe for many at once."""

    def __init__(
        self,
        inbox: Inbox,
        applier: Applier,
        provider: ProviderReader,
        clock: Clock,
        meter: Meter,
        *,
        max_attempts: int,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._inbox = inbox
        self._applier = applier
        self._provider = provider
        self._clock = clock
        self._meter = meter
        self._max_attempts = max_attempts
        self._jitter = jitter
        # After a start nobody knows; a claim of nothing is cheap.
        self._was_out = True

    async def process(self, claim: Claim) -> None:
        """Apply the object of the events, and settle them; whatever fails is for later.

        Cancelled, it leaves the events to whoever comes after their lease.
        """
        if claim.attempts > self._max_attempts:
            # Every try was counted when it began, and none came to an end.
            await self._fail(claim, "whoever worked on it died each time")
            return
        try:
            result = await self._apply(claim)
        except NoSuchObjectError as error:
            await self._settle(claim, Settlement.IGNORED, str(error))
        except UnavailableError as error:
            # An outage, however long, is no fault of the event.
            await self._apply_bodies(claim)
            await self._postpone(claim, str(error))
        except BillingError as error:
            await self._fail(claim, str(error))
        except Exception as error:  # noqa: BLE001 - one bad event must not stop the others
            _log.exception("event_failed", inbox_id=claim.id)
            await self._fail(claim, repr(error))
        else:
            is_foreign = result.applied is Applied.FOREIGN
            settlement = Settlement.IGNORED if is_foreign else Settlement.DONE
            await self._settle(claim, settlement, result.detail or None, result.client_id)
            await self._end_outage()

    async def _apply(self, claim: Claim) -> Result:
        if claim.ref is None:
            return Result(Applied.FOREIGN, detail="about nothing of ours")
        began_s = time.monotonic()
        try:
            return await self._applier.apply(claim.ref, self._cause(claim))
        finally:
            self._meter.applied(claim.ref.kind, time.monotonic() - began_s)

    async def _apply_bodies(self, claim: Claim) -> None:
        """Let in whom a verified body lets in, while the provider cannot be asked.

        The applier takes from it what raises access, marks it unverified, and refuses the rest.
        """
        if claim.ref is None or claim.ref.kind is not ObjectKind.SUBSCRIPTION:
            return
        try:
            for found in await self._inbox.list_bodies(claim):
                subscription = self._provider.read_snapshot(found.body)
                if subscription is not None:
                    await self._applier.apply_snapshot(
                        subscription, found.occurred_at, self._cause(claim)
                    )
                    return
        except BillingError as error:
            _log.warning("snapshot_not_applied", inbox_id=claim.id, why=str(error))
        except Exception:  # noqa: BLE001 - the event waits for its object in any case
            _log.exception("snapshot_failed", inbox_id=claim.id)

    async def _settle(
        self,
        claim: Claim,
        settlement: Settlement,
        note: str | None,
        client_id: str | None = None,
    ) -> None:
        await _until_it_holds(
            lambda: self._inbox.settle(claim, settlement.value, self._clock(), note, client_id)
        )
        self._meter.settled(settlement, claim.events)
        _log.info(
            "event_settled",
            inbox_id=claim.id,
            type=claim.type,
            events=claim.events,
            state=settlement.value,
            note=note,
        )

    async def _fail(self, claim: Claim, error: str) -> None:
        wait_s = self._wait_s(claim)
        dead = 0

        async def fail() -> None:
            nonlocal dead
            now = self._clock()
            due_at = now + timedelta(seconds=wait_s)
            dead = await self._inbox.fail(claim, now, due_at, error, self._max_attempts)

        await _until_it_holds(fail)
        self._meter.settled(Settlement.DEAD, dead)
        self._meter.settled(Settlement.FAILED, claim.events - dead)
        if dead:
            _log.error("event_dead", inbox_id=claim.id, type=claim.type, events=dead, error=error)
        else:
            _log.warning("event_failed_once", inbox_id=claim.id, wait_s=wait_s, error=error)

    async def _postpone(self, claim: Claim, error: str) -> None:
        self._was_out = True
        wait_s = self._wait_s(claim)
        await _until_it_holds(
            lambda: self._inbox.postpone(claim, self._clock() + timedelta(seconds=wait_s), error)
        )
        self._meter.settled(Settlement.OUTAGE, claim.events)
        _log.warning("event_postponed", inbox_id=claim.id, wait_s=wait_s, error=error)

    async def _end_outage(self) -> None:
        """Make some of the events due that an outage left behind: their pauses may be long."""
        if not self._was_out:
            return
        try:
            self._was_out = await self._inbox.hasten(self._clock(), _HASTENED) == _HASTENED
        except UnavailableError as error:
            _log.warning("inbox_unavailable", why=str(error))

    def _cause(self, claim: Claim) -> Cause:
        return Cause(Source.WEBHOOK, f"psp:{self._provider.name}", claim.id)

    def _wait_s(self, claim: Claim) -> float:
        """Return a growing pause, of which half is left to chance: no two events in step."""
        doublings = min(claim.tries - 1, _MOST_DOUBLINGS)
        wait_s = min(_FIRST_WAIT_S * 2.0**doublings, _LONGEST_WAIT_S)
        return wait_s * (0.5 + self._jitter() / 2)


async def _until_it_holds(write: Callable[[], Awaitable[None]]) -> None:
    """Write what came of a try, however long the database is away.

    Given up, the try would count against the event once its lease has ended.
    """
    while True:
        try:
            await write()
        except UnavailableError as error:
            _log.warning("inbox_unavailable", why=str(error))
            await asyncio.sleep(_SETTLE_AGAIN_S)
        else:
            return
