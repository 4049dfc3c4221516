"""Events and the audit log, for operators."""

from billing.api import problems
from billing.api.models import operators
from billing.api.operation import Operation
from billing.api.table import examples

OPERATIONS = (
    Operation(
        id="list_events",
        method="GET",
        path="/events",
        tag="events",
        summary="List the events of the providers",
        action="events:read",
        query=operators.EventQuery,
        answer=operators.EventPage,
        answer_example=examples.page_of(examples.EVENT),
    ),
    Operation(
        id="get_event",
        method="GET",
        path="/events/{event_id}",
        tag="events",
        summary="Look at an event",
        action="events:read",
        answer=operators.Event,
        problems=(problems.NO_SUCH_THING,),
        answer_example=examples.EVENT,
    ),
    Operation(
        id="replay_event",
        method="POST",
        path="/events/{event_id}/replay",
        tag="events",
        summary="Process an event again",
        description="What it is about is read anew from the provider, so that a repeat is safe.",
        action="events:write",
        answer=operators.Event,
        problems=(problems.NO_SUCH_THING, problems.CONFLICT),
        answer_example=examples.EVENT | {"state": "received", "processed_at": None},
    ),
    Operation(
        id="list_audit",
        method="GET",
        path="/audit",
        tag="audit",
        summary="Read the audit log",
        action="audit:read",
        query=operators.AuditQuery,
        answer=operators.AuditPage,
        answer_example=examples.page_of(examples.AUDIT_ROW),
    ),
)
