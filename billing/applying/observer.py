"""Lock, number, fetch, compare and set, derive, tell: one look at one object, whatever it is.

The lock is taken before the fetch: two workers that fetched first could write in the
wrong order, and the older answer would stay (firestore-stripe#119).
"""

from datetime import datetime, timedelta

import structlog

from billing.applying.look import Account, Concern, Look
from billing.client_facts import ClientFacts
from billing.derive import derive, find_overlaps
from billing.grant_changes import GrantChanges, compare
from billing.metrics import Alarm, Meter
from billing.model import Cause
from billing.ports import Changed, Clock
from billing.result import Applied, Change, Result
from billing.storage import audit, clients, grants, subscriptions
from billing.storage.facts import read_facts
from billing.storage.pool import Connection, Database
from billing.transitions import Sighting

_log = structlog.get_logger("billing.apply")


class _RollBackError(Exception):
    """Takes back what was written, and carries what came of it."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result


class Observer:
    """Looks at objects. Safe to use from anywhere, any number of times, at once."""

    def __init__(
        self,
        database: Database,
        account: Account,
        clock: Clock,
        changed: Changed,
        slack: timedelta,
        meter: Meter,
    ) -> None:
        self._database = database
        self._account = account
        self._clock = clock
        self._changed = changed
        self._slack = slack
        self._meter = meter

    async def observe(
        self,
        look: Look,
        cause: Cause,
        *,
        dry_run: bool = False,
        snapshot_at: datetime | None = None,
    ) -> Result:
        """Make our rows say what the provider says of the object now, and grant accordingly.

        With `dry_run` everything is written and taken back. `snapshot_at` is when the object
        looked like this, where the look is at an event's body instead.

        Raises:
            UnavailableError: try again; nothing was written.
            NoSuchObjectError: the provider has no such object.
            ProviderRefusedError: what it has cannot be read.
        """
        lock = f"{self._account.provider.name}:{look.ref}"
        async with self._database.locked(lock) as connection:
            seq = await subscriptions.next_observation(connection)
            await look.fetch()
            now = self._clock()
            sighting = Sighting(seq, now, snapshot_at or now, cause, snapshot_at is not None)
            try:
                async with connection.transaction():
                    result, version, concerns = await self._write(
                        connection, look, sighting, dry_run=dry_run
                    )
            except _RollBackError as taken_back:
                return taken_back.result
        for concern in concerns:
            _log.error(concern.alarm.value, client_id=result.client_id, **concern.fields)
            self._meter.alarmed(concern.alarm)
        if result.client_id is not None and version is not None:
            await self._changed(result.client_id, version)
        return result

    async def _write(
        self, connection: Connection, look: Look, sighting: Sighting, *, dry_run: bool
    ) -> tuple[Result, int | None, list[Concern]]:
        client_id = await look.find_client(connection)
        if client_id is None:
            return Result(Applied.FOREIGN, detail="no client of ours"), None, []
        await clients.lock_client(connection, client_id)
        saved = await look.save(connection, client_id, sighting)
        if saved is None:
            return Result(Applied.STALE, client_id, "seen later already"), None, []
        facts = await read_facts(connection, client_id, livemode=self._account.provider.livemode)
        given = await self._regrant(connection, client_id, facts, sighting)
        if sighting.is_snapshot and given.lowers:
            raise _RollBackError(Result(Applied.STALE, client_id, "would lower access"))
        version = None
        if given.written or given.ended:
            version = await grants.bump_version(connection, client_id)
        changes = (*saved.changes, *given.told)
        if changes:
            await _audit(connection, look.action(), client_id, changes, sighting.cause)
        concerns = [*saved.concerns, *await self._overlaps(connection, client_id, facts, sighting)]
        applied = Applied.CHANGED if changes else Applied.UNCHANGED
        result = Result(applied, client_id, changes=changes)
        if dry_run:
            raise _RollBackError(result)
        return result, version, concerns

    async def _regrant(
        self, connection: Connection, client_id: str, facts: ClientFacts, sighting: Sighting
    ) -> GrantChanges:
        """Make the client's grants equal to what its facts give."""
        wanted = derive(facts, self._account.catalog.plans, self._slack)
        given = compare(await grants.list_derived(connection, client_id), wanted)
        if given.ended:
            ended = [grant.id for grant in given.ended]
            await grants.revoke_grants(connection, ended, sighting.at)
        if given.written:
            await grants.save_grants(connection, client_id, given.written, sighting.cause.actor)
        return given

    async def _overlaps(
        self, connection: Connection, client_id: str, facts: ClientFacts, sighting: Sighting
    ) -> list[Concern]:
        """Return the plans that the client now pays for twice, each once for the same pair."""
        concerns = []
        for plan, subs in find_overlaps(facts, self._account.catalog.plans).items():
            told = {"plan": plan, "subscriptions": list(subs)}
            if not await subscriptions.is_overlap_told(connection, client_id, told):
                await audit.write_audit(
                    connection, subscriptions.OVERLAP, client_id, sighting.cause, after=told
                )
                concerns.append(Concern(Alarm.SUBSCRIPTION_OVERLAP, told))
        return concerns


async def _audit(
    connection: Connection,
    action: str,
    client_id: str,
    changes: tuple[Change, ...],
    cause: Cause,
) -> None:
    before = {change.field: change.before for change in changes if change.before is not None}
    after = {change.field: change.after for change in changes if change.after is not None}
    await audit.write_audit(
        connection,
        action,
        client_id,
        cause,
        before=before or None,
        after={"source": cause.source.value, **after},
    )
