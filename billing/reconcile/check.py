"""One object read again: the difference that is found is mended, and written down."""

from collections.abc import Iterable
from typing import Final

import structlog

from billing.apply import Applier
from billing.errors import NoSuchObjectError, ProviderRefusedError
from billing.facts import ObjectKind, ObjectRef
from billing.metrics import Meter
from billing.model import Cause, Source
from billing.ports import Clock, ProviderReader
from billing.result import Change
from billing.storage import drift, due
from billing.storage.due import Due
from billing.storage.pool import Database

_log = structlog.get_logger("billing.reconcile")

CAUSE: Final = Cause(Source.RECONCILE, "reconciler")
# A row that an event's body made is there to be verified.
_EXPECTED: Final = "subscription.verified"


class Checker:
    """Reads objects of one provider, and mends our rows. `wall` is the clock of the inbox."""

    def __init__(
        self,
        database: Database,
        applier: Applier,
        provider: ProviderReader,
        clock: Clock,
        wall: Clock,
        meter: Meter,
        cause: Cause = CAUSE,
    ) -> None:
        self._database = database
        self._applier = applier
        self._provider = provider
        self._clock = clock
        self._wall = wall
        self._meter = meter
        self._cause = cause
        self._account = due.Account(provider.name, provider.livemode)

    async def check(self, item: Due) -> tuple[Change, ...]:
        """Make our rows say what the provider says of the object; return what was drift.

        Raises:
            UnavailableError: the provider or the database does not answer.
        """
        found: tuple[Change, ...] = ()
        try:
            found = await self._check(item)
        except NoSuchObjectError as error:
            found = await self._note_missing(item, str(error))
        except ProviderRefusedError as error:
            # Marked as read all the same, or it would be the first to be read for ever.
            _log.error("reconcile_unreadable", object=str(item.ref), why=str(error))
        async with self._database.transaction() as connection:
            await due.mark_checked(connection, self._account, item.ref, self._clock())
        return found

    async def look(self, item: Due) -> tuple[Change, ...]:
        """Return what `check` would find, and write nothing.

        Raises:
            UnavailableError: the provider or the database does not answer.
            ProviderRefusedError: the object is not there, or cannot be read.
        """
        refs = [] if item.ref.kind is ObjectKind.CUSTOMER else [item.ref]
        found: list[Change] = []
        for ref in [*refs, *await self._list_unknown(item.ref)]:
            result = await self._applier.apply(ref, self._cause, dry_run=True)
            found += result.changes
        return tuple(found)

    async def _check(self, item: Due) -> tuple[Change, ...]:
        """Read the object, and those that hang on it and that we have no row of."""
        found: list[Change] = []
        if item.ref.kind is not ObjectKind.CUSTOMER:
            found += await self._apply(item.ref, item.found_by)
        for ref in await self._list_unknown(item.ref):
            found += await self._apply(ref, item.ref.kind.value)
        return tuple(found)

    async def _list_unknown(self, ref: ObjectRef) -> list[ObjectRef]:
        """Return a customer's subscriptions, or a subscription's payments, without a row."""
        match ref.kind:
            case ObjectKind.CUSTOMER:
                kind = ObjectKind.SUBSCRIPTION
                listed = await self._provider.list_subscriptions(ref.id)
            case ObjectKind.SUBSCRIPTION:
                kind = ObjectKind.PAYMENT
                listed = await self._provider.list_payments(ref.id)
            case _:
                return []
        async with self._database.connection() as connection:
            return await due.list_unknown(connection, self._account, kind, listed)

    async def _apply(self, ref: ObjectRef, found_by: str) -> tuple[Change, ...]:
        result = await self._applier.apply(ref, self._cause)
        changes = unexpected(result.changes)
        if not changes:
            return ()
        now = self._wall()
        async with self._database.transaction() as connection:
            if await drift.is_explained(
                connection, self._provider.name, ref, result.client_id, now
            ):
                self._meter.lagged()
                return ()
            await drift.save_drift(
                connection, self._provider.name, ref, result.client_id, changes, found_by, now
            )
        self._tell(ref, changes, found_by)
        return changes

    async def _note_missing(self, item: Due, why: str) -> tuple[Change, ...]:
        """Note that the provider knows nothing of what we have a row of; nobody can mend that."""
        kind = item.ref.kind.value
        change = Change(f"{kind} {item.ref.id}", f"{kind}.missing", "there", None)
        async with self._database.transaction() as connection:
            if await drift.is_known(connection, self._provider.name, item.ref, change):
                return ()
            await drift.save_drift(
                connection,
                self._provider.name,
                item.ref,
                None,
                (change,),
                item.found_by,
                self._wall(),
            )
        _log.error("reconcile_missing", object=str(item.ref), why=why)
        self._meter.drifted(change.kind)
        return (change,)

    def _tell(self, ref: ObjectRef, changes: tuple[Change, ...], found_by: str) -> None:
        for change in changes:
            self._meter.drifted(change.kind)
        fields = [change.field for change in changes]
        _log.warning("drift_found", object=str(ref), fields=fields, found_by=found_by)


def unexpected(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes without those that were known to be due."""
    return tuple(change for change in changes if change.kind != _EXPECTED)
