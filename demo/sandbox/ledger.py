"""Builds, saves and announces objects: the ground that the domain files stand on."""

from dataclasses import dataclass
from typing import Any

from demo.sandbox.clock import VirtualClock
from demo.sandbox.errors import missing
from demo.sandbox.outbox import Outbox
from demo.sandbox.schedule import due_s
from demo.sandbox.shapes import API_VERSION, JSONObject, Shapes
from demo.sandbox.store import Store


@dataclass(frozen=True, slots=True)
class Ledger:
    """The parts that every change of the sandbox's state uses.

    Domain functions take the sandbox's time as an argument instead of asking the clock: a
    renewal that fell due while the sandbox was off happens at the time it was due.
    """

    store: Store
    outbox: Outbox
    shapes: Shapes
    clock: VirtualClock
    public_url: str

    def build(self, kind: str, at_s: int, **fields: Any) -> JSONObject:  # Any: JSON values
        """Return a new object of `kind`, created at `at_s`, not saved yet."""
        return self.shapes.build(kind, created=at_s, **fields)

    def save(self, body: JSONObject, *, due_at_s: int | None = None) -> None:
        """Save the object under its customer.

        `due_at_s` is when time alone will change it, where the object does not tell.
        """
        self.store.save(body, owner=body.get("customer"), due_at_s=due_at_s or due_s(body))

    def update(
        self,
        event_type: str,
        body: JSONObject,
        at_s: int,
        **fields: Any,  # Any: JSON values
    ) -> None:
        """Set `fields`, save, and announce what changed; nothing happens if nothing differs."""
        previous = self.change(body, **fields)
        if previous:
            self.save(body)
            self.announce(event_type, body, at_s, previous)

    def get(self, kind: str, object_id: str) -> JSONObject:
        """Return the object an id in a path names.

        Raises:
            APIError: there is none; 404 `resource_missing`.
        """
        found = self.store.find(kind, object_id)
        if found is None:
            raise missing(kind, object_id)
        return found

    def get_named(self, kind: str, object_id: str, *, param: str) -> JSONObject:
        """Return the object an id in the parameter `param` names.

        Raises:
            APIError: there is none; 400 `resource_missing`.
        """
        found = self.store.find(kind, object_id)
        if found is None:
            raise missing(kind, object_id, param=param, status=400)
        return found

    def announce(
        self, event_type: str, subject: JSONObject, at_s: int, previous: JSONObject | None = None
    ) -> str:
        """Record an event with the subject as it is now, queue its deliveries, return its id.

        `previous` holds the former values of what an `.updated` event changed.
        """
        data = {"object": subject}
        if previous is not None:
            data["previous_attributes"] = previous
        created_s = self.outbox.date(at_s)
        event = self.build("event", created_s, type=event_type, api_version=API_VERSION, data=data)
        self.outbox.send(event)
        return str(event["id"])

    def change(self, body: JSONObject, **fields: Any) -> JSONObject:  # Any: JSON values
        """Set `fields` on the body and return the former values of those that differ."""
        previous = {key: body[key] for key, value in fields.items() if body[key] != value}
        body.update(fields)
        return previous
