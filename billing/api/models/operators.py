"""Events and the audit log, for operators."""

from typing import Any, Literal

from pydantic import Field

from billing.api.models.shapes import Id, Instant, Line, Output, Page, PageQuery

EventState = Literal["received", "done", "ignored", "failed", "dead"]


class Event(Output):
    """A verified event of a provider. Its body is not told: who paid stands in it."""

    id: int
    provider: str
    external_id: str
    type: str
    object: str | None = Field(description="What it is about; null is nothing that we read.")
    state: EventState
    attempts: int
    found_by: str = Field(description="`webhook`, or `list` where we found it ourselves.")
    occurred_at: Instant
    received_at: Instant
    next_attempt_at: Instant | None
    processed_at: Instant | None
    last_error: str | None


class EventPage(Page):
    """Events, the newest first."""

    items: list[Event]


class EventQuery(PageQuery):
    """Which events."""

    state: EventState | None = None
    type: Line | None = Field(default=None, description="As the provider names it.")
    client_id: Id | None = Field(default=None, description="About this client's things.")


class AuditRow(Output):
    """One change of money or access, or one denial."""

    seq: int
    at: Instant
    actor: str
    action: str
    client_id: Id | None
    # What a row holds depends on its action.
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    cause_inbox_id: int | None = Field(description="The event that caused it, if one did.")
    cause_request_id: str | None = Field(description="The request that caused it, if one did.")


class AuditPage(Page):
    """Rows of the audit log, the newest first."""

    items: list[AuditRow]


class AuditQuery(PageQuery):
    """Whose rows; left out, everybody's."""

    client_id: Id | None = None
