"""Events and the audit log, for operators."""

from collections.abc import Mapping

from billing.api import problems
from billing.api.call import Aim, Answer, Binding, Call
from billing.api.cursor import read_number, write_number
from billing.api.lists import cut, next_url_of
from billing.api.models import operators as models
from billing.api.problems import ProblemError
from billing.api.resources.aims import nobody
from billing.ports import Clock
from billing.storage import events
from billing.storage.audit import list_audit
from billing.storage.events import EventFilter, EventRow
from billing.storage.pool import Connection, Database


class OperatorCalls:
    """Carries the calls about events and the audit log out."""

    def __init__(self, database: Database, clock: Clock, url: str) -> None:
        self._database = database
        self._clock = clock
        self._url = url

    def bindings(self) -> Mapping[str, Binding]:
        """Return what carries each operation out."""
        return {
            "list_events": Binding(nobody, self._list_events),
            "get_event": Binding(nobody, self._get_event),
            "replay_event": Binding(nobody, self._replay),
            "list_audit": Binding(self._aim_at_audit, self._list_audit),
        }

    async def _aim_at_audit(self, call: Call) -> Aim:
        return Aim(call.asked(models.AuditQuery).client_id)

    async def _list_events(self, call: Call) -> Answer:
        query = call.asked(models.EventQuery)
        wanted = EventFilter(
            state=query.state,
            type=query.type,
            client_id=query.client_id,
            before_id=read_number(query.cursor),
        )
        async with self._database.connection() as connection:
            rows = await events.list_events(connection, wanted, limit=query.limit + 1)
        kept, cursor = cut(rows, query.limit, lambda row: write_number(row.id))
        url = next_url_of(f"{self._url}/events", query, cursor)
        return Answer(models.EventPage(items=[_told(row) for row in kept], next=url))

    async def _get_event(self, call: Call) -> Answer:
        async with self._database.connection() as connection:
            return Answer(_told(await _get(connection, call)))

    async def _replay(self, call: Call) -> Answer:
        async with self._database.transaction() as connection:
            event = await _get(connection, call)
            actor, now = call.caller.actor, self._clock()
            if not await events.replay_events(connection, [event.id], actor, now):
                detail = "It is about nothing that is read, or is being processed."
                raise ProblemError(problems.CONFLICT, detail)
            return Answer(_told(await _get(connection, call)))

    async def _list_audit(self, call: Call) -> Answer:
        query = call.asked(models.AuditQuery)
        before = read_number(query.cursor)
        async with self._database.connection() as connection:
            rows = await list_audit(
                connection, client_id=query.client_id, before_seq=before, limit=query.limit + 1
            )
        kept, cursor = cut(rows, query.limit, lambda row: write_number(row.seq))
        url = next_url_of(f"{self._url}/audit", query, cursor)
        items = [models.AuditRow.model_validate(row) for row in kept]
        return Answer(models.AuditPage(items=items, next=url))


async def _get(connection: Connection, call: Call) -> EventRow:
    event = await events.find_event(connection, int(call.path["event_id"]))
    if event is None:
        raise ProblemError(problems.NO_SUCH_THING)
    return event


def _told(event: EventRow) -> models.Event:
    return models.Event(
        id=event.id,
        provider=event.psp,
        external_id=event.external_id,
        type=event.type,
        object=event.object_ref,
        state=event.state,
        attempts=event.attempts,
        found_by=event.found_by,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        next_attempt_at=event.next_attempt_at if event.processed_at is None else None,
        processed_at=event.processed_at,
        last_error=event.last_error,
    )
