"""The inbox: every verified event once, kept until it is processed, not merely seen.

All due events of one object are claimed and settled together: reading the object once
answers all of them. An event that comes later is not part of the claim, and is not
settled by a reading that may have begun before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog

from billing.errors import UnavailableError
from billing.facts import EventRef, ObjectRef, parse_ref
from billing.storage.arrivals import Arrival, Insertion, Stored, insert_events
from billing.storage.inbox_claims import claim_events, settle_claim
from billing.storage.pool import Database
from billing.webhooks.group_commit import GroupCommit

_log = structlog.get_logger("billing.webhooks")

CHANNEL = "tollway_inbox"
"""Wakes the worker after the commit; the worker also polls, so a lost notice costs only time."""

# A claim of more would hold its row locks for long; the rest is claimed with the next event.
_CLAIM_ROWS = 500
# Bodies tried in an outage, the newest first: the newest usually is the one that counts.
_BODIES = 5
_ERROR_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Claim:
    """Events of one object that their claimer may process until its lease ends.

    `id` and `type` are those of the event that waited longest. `attempts` counts the tries
    that it may not have too many of, this one included, and `tries` those in outages too.
    """

    token: UUID
    id: int
    type: str
    ref: ObjectRef | None
    attempts: int
    tries: int
    events: int


@dataclass(frozen=True, slots=True)
class Body:
    """A verified body, and when its event happened."""

    body: bytes
    occurred_at: datetime


class Inbox:
    """Keeps the events of one provider. Every call is a transaction of its own."""

    def __init__(self, database: Database, psp: str) -> None:
        self._database = database
        self._psp = psp
        self._arrivals = GroupCommit(self._insert, self._tell)

    async def store(
        self,
        event: EventRef,
        body: bytes,
        headers: Mapping[str, str],
        now: datetime,
        *,
        is_listed: bool = False,
    ) -> Stored:
        """Insert the event, or nothing if it came before.

        A body that came by no webhook is empty. An event about nothing that is read is
        settled at once.
        """
        sealed = self._seal(event, body)
        arrival = Arrival(event, sealed, headers, now, due_at=now, is_listed=is_listed)
        return (await self._arrivals.add(arrival)).stored

    async def store_claimed(
        self,
        event: EventRef,
        body: bytes,
        headers: Mapping[str, str],
        now: datetime,
        lease: timedelta,
    ) -> tuple[Stored, Claim | None]:
        """Insert the event and claim it, if it is new, in one step: no worker comes between."""
        if event.ref is None:
            return await self.store(event, body, headers, now), None
        token, due_at = uuid4(), now + lease
        arrival = Arrival(event, self._seal(event, body), headers, now, due_at, token=token)
        stored, row_id = await self._arrivals.add(arrival)
        if row_id is None:
            return stored, None
        return stored, Claim(token, row_id, event.type, event.ref, 1, 1, 1)

    async def claim(self, now: datetime, lease: timedelta) -> Claim | None:
        """Take the event that waits longest, with all due ones of its object, or None.

        The claim is a lease: if its worker dies, the events are due again when it ends, and
        nobody has to clean up. Events of an object that is being read wait for that.
        """
        token = uuid4()
        async with self._database.connection() as connection:
            rows = await claim_events(connection, self._psp, now, lease, token, _CLAIM_ROWS)
        head = next((row for row in rows if row["is_head"]), None)
        if head is None:
            return None
        return Claim(
            token=token,
            id=head["id"],
            type=head["type"],
            ref=parse_ref(head["object_ref"]),
            attempts=head["attempts"],
            tries=head["attempts"] + head["outages"],
            events=len(rows),
        )

    async def settle(
        self, claim: Claim, state: str, now: datetime, note: str | None, client_id: str | None
    ) -> None:
        """Mark the events `done` or `ignored`; nothing happens if the claim was lost.

        `client_id` is whom they were about; of who was erased, no body is kept.
        """
        async with self._database.connection() as connection:
            await settle_claim(connection, claim.token, state, now, note, client_id)

    async def fail(
        self, claim: Claim, now: datetime, due_at: datetime, error: str, max_attempts: int
    ) -> int:
        """Leave the events for another try; those that had all of theirs are dead.

        Returns how many died.
        """
        async with self._database.connection() as connection:
            dead = await connection.fetchval(
                """
                with failed as (
                    update psp_inbox set
                        state = case when attempts >= $5 then 'dead' else 'failed' end,
                        processed_at = case when attempts >= $5 then $2::timestamptz end,
                        next_attempt_at = $3, last_error = $4, claim = null
                    where claim = $1
                    returning state
                )
                select count(*) from failed where state = 'dead'
                """,
                claim.token,
                now,
                due_at,
                _text(error),
                max_attempts,
            )
        return int(dead)

    async def postpone(self, claim: Claim, due_at: datetime, error: str) -> None:
        """Leave the events for after an outage: the try does not count."""
        async with self._database.connection() as connection:
            await connection.execute(
                "update psp_inbox set state = 'failed', attempts = attempts - 1,"
                " outages = outages + 1, next_attempt_at = $2, last_error = $3, claim = null"
                " where claim = $1",
                claim.token,
                due_at,
                _text(error),
            )

    async def release(self, claim: Claim, now: datetime) -> None:
        """Give the events back as they were, due now."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "update psp_inbox set attempts = attempts - 1, next_attempt_at = $2, claim = null"
                " where claim = $1",
                claim.token,
                now,
            )
            await connection.execute("select pg_notify($1, '')", CHANNEL)

    async def hasten(self, now: datetime, limit: int) -> int:
        """Make events due that wait for the end of an outage, at most `limit`; tell how many."""
        async with self._database.connection() as connection:
            status = await connection.execute(
                """
                update psp_inbox set next_attempt_at = $2
                where id in (select id from psp_inbox
                             where state = 'failed' and psp = $1 and outages > 0 and attempts = 0
                               and claim is null and next_attempt_at > $2
                             order by next_attempt_at for update skip locked limit $3)
                """,
                self._psp,
                now,
                limit,
            )
        return int(status.rpartition(" ")[2])

    async def list_bodies(self, claim: Claim) -> list[Body]:
        """Return the bodies of the events and of their twins, the newest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                """
                select external_id, body, occurred_at from psp_inbox
                where psp = $1 and body <> ''
                  and (claim = $2 or external_id in (select twin from psp_inbox where claim = $2))
                order by occurred_at desc, id desc limit $3
                """,
                self._psp,
                claim.token,
                _BODIES,
            )
        return [
            Body(
                self._database.ring.open(row["body"], body_context(self._psp, row["external_id"])),
                row["occurred_at"],
            )
            for row in rows
        ]

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete events settled before the instant, at most `limit`; tell how many.

        Dead ones stay until somebody has looked at them.
        """
        async with self._database.connection() as connection:
            status = await connection.execute(
                "delete from psp_inbox where id in (select id from psp_inbox"
                " where state in ('done', 'ignored') and processed_at < $1"
                " order by processed_at for update skip locked limit $2)",
                before,
                limit,
            )
        return int(status.rpartition(" ")[2])

    def _seal(self, event: EventRef, body: bytes) -> bytes:
        if not body:
            return b""
        return self._database.ring.seal(body, body_context(self._psp, event.external_id))

    async def _insert(self, arrivals: Sequence[Arrival]) -> list[Insertion]:
        async with self._database.connection() as connection:
            return await insert_events(connection, self._psp, arrivals)

    async def _tell(self, insertions: Sequence[Insertion]) -> None:
        """Wake the workers after the commit, if there is anything for them.

        Given within the commit, a notice would make it wait for others: Postgres lets only
        one transaction with a notice commit at a time.
        """
        if all(each.id is None for each in insertions):
            return
        try:
            async with self._database.connection() as connection:
                await connection.execute("select pg_notify($1, '')", CHANNEL)
        except UnavailableError as error:
            # The events are stored, and workers look at the inbox unasked.
            _log.warning("inbox_notice_lost", why=str(error))


def _text(error: str) -> str:
    """Return what Postgres can store of it: no text of its may hold a zero."""
    return error.replace("\0", "")[:_ERROR_CHARS]


def body_context(psp: str, external_id: str) -> str:
    """Return what a sealed body is bound to: moved to another row, it does not open."""
    return f"psp_inbox.body.{psp}:{external_id}"
