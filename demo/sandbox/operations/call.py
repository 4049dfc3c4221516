"""What an operation is, and what a call of one carries."""

from collections.abc import Callable
from dataclasses import dataclass, field

from demo.sandbox.ledger import Ledger
from demo.sandbox.listing import list_objects
from demo.sandbox.params import Spec, strings
from demo.sandbox.shapes import JSONObject

EXPAND: Spec = {"expand": strings}
"""Every operation takes `expand`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API, its parameters checked; `object_id` is the id in its path."""

    ledger: Ledger
    params: JSONObject
    object_id: str
    public_url: str
    path: str

    @property
    def at_s(self) -> int:
        """Return the sandbox's time."""
        return self.ledger.clock.now_s()

    @property
    def fields(self) -> JSONObject:
        """Return the parameters that are about the object, which `expand` is not."""
        return {name: value for name, value in self.params.items() if name != "expand"}

    def subject(self, kind: str) -> JSONObject:
        """Return the object that the path names.

        Raises:
            APIError: there is none of this kind.
        """
        return self.ledger.get(kind, self.object_id)


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table; `{id}` in the path is the id of the object."""

    method: str
    path: str
    run: Callable[[Call], JSONObject]
    spec: Spec = field(default_factory=dict)


def retrieve(kind: str) -> Callable[[Call], JSONObject]:
    """Return the operation that answers with the object of the path."""
    return lambda call: call.subject(kind)


def list_of(kind: str) -> Callable[[Call], JSONObject]:
    """Return the operation that answers with a page of objects."""
    return lambda call: list_objects(call.ledger, kind, call.path, call.params)


def whole_list(call: Call, data: list[JSONObject]) -> JSONObject:
    """Return a list that is always whole."""
    return {"object": "list", "url": call.path, "has_more": False, "data": data}
