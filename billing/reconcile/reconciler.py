"""The reconciler: reads a little all the time, so that within a day everything was read."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import structlog

from billing.errors import BillingError, ProviderRefusedError, UnavailableError
from billing.facts import ObjectKind, ObjectRef
from billing.ports import Clock
from billing.reconcile.check import Checker
from billing.reconcile.missed import MissedEvents
from billing.storage import cursors, due
from billing.storage.due import Account, Due
from billing.storage.pool import Database

_log = structlog.get_logger("billing.reconcile")

_DAY_S = 86_400.0
# For a process that died; whoever lives renews it after half of that.
_LEASE = timedelta(minutes=2)
_MOST_PATIENCE = 16


@dataclass(frozen=True, slots=True)
class ReconcileSettings:
    """`tick_s` between two looks for what is due; everything is read once in `share_days`."""

    tick_s: float
    reads_per_second: int
    share_days: int


@dataclass(frozen=True, slots=True)
class Tick:
    """What came of a tick: objects read, differences found, events that had been missed."""

    read: int
    drifted: int
    missed: int


class Reconciler:
    """Reconciles one provider; of several, in any process, one works at a time."""

    def __init__(
        self,
        database: Database,
        account: Account,
        checker: Checker,
        missed: MissedEvents,
        clock: Clock,
        wall: Clock,
        settings: ReconcileSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._account = account
        self._checker = checker
        self._missed = missed
        self._clock = clock
        self._wall = wall
        self._settings = settings
        self._sleep = sleep
        self._token = uuid4()
        self._retired = asyncio.Event()

    def retire(self) -> None:
        """End after the object under way."""
        self._retired.set()

    async def run(self) -> None:
        """Reconcile until cancelled or retired; who does not answer is asked less and less."""
        patience = 1
        while not self._retired.is_set():
            try:
                async with asyncio.timeout(self._settings.tick_s * patience):
                    await self._retired.wait()
            except TimeoutError:
                pass  # Not retired: time for the next tick.
            else:
                return
            try:
                await self.tick()
                patience = 1
            except UnavailableError as error:
                patience = min(patience * 2, _MOST_PATIENCE)
                _log.warning("reconcile_postponed", why=str(error))
            except Exception:  # noqa: BLE001 - the top of a task: whoever serves must live on
                patience = min(patience * 2, _MOST_PATIENCE)
                _log.exception("reconcile_failed")

    async def tick(self) -> Tick | None:
        """Read what is due; None if another process does.

        Raises:
            UnavailableError: the provider or the database does not answer.
        """
        if not await self._has_lease():
            return None
        try:
            return await self._work()
        finally:
            await self._leave()

    async def _work(self) -> Tick:
        try:
            missed = await self._missed.collect()
        except ProviderRefusedError as error:
            # Without the list of events, what they were about is found by reading.
            missed = 0
            _log.error("events_not_listed", why=str(error))
        read = drifted = 0
        renewed_at = self._wall()
        for item in await self._select():
            if self._retired.is_set():
                break
            if self._wall() - renewed_at > _LEASE / 2:
                renewed_at = self._wall()
                if not await self._has_lease():
                    break
            drifted += len(await self._checker.check(item))
            read += 1
            await self._sleep(1 / self._settings.reads_per_second)
        if missed or drifted:
            _log.warning("reconciled", read=read, drifted=drifted, missed=missed)
        return Tick(read, drifted, missed)

    async def _select(self) -> list[Due]:
        """Return what to read in this tick, the most urgent first."""
        settings, account, now = self._settings, self._account, self._clock()
        most = max(1, int(settings.reads_per_second * settings.tick_s))
        part = min(1.0, settings.tick_s / (_DAY_S * settings.share_days))
        async with self._database.connection() as connection:
            found = await due.list_unverified(connection, account, now, most)
            found += await due.list_expiring(connection, account, now, most)
            found += await due.list_old_checkouts(connection, account, now, most)
            for kind in (ObjectKind.SUBSCRIPTION, ObjectKind.PAYMENT, ObjectKind.CUSTOMER):
                found += await due.list_share(connection, account, kind, now, part)
        unique: dict[ObjectRef, Due] = {}
        for item in found:
            unique.setdefault(item.ref, item)
        if len(unique) > most:
            _log.warning("reconcile_behind", due=len(unique), reads=most)
        return list(unique.values())[:most]

    async def _has_lease(self) -> bool:
        now = self._wall()
        async with self._database.transaction() as connection:
            return await cursors.take_lease(
                connection, self._account, self._token, now, now + _LEASE
            )

    async def _leave(self) -> None:
        try:
            async with self._database.transaction() as connection:
                await cursors.leave_lease(connection, self._account, self._token, self._wall())
        except BillingError as error:
            _log.warning("lease_not_left", why=str(error))
