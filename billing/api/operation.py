"""One line of the API's table: what a call takes, what it gives, and who may make it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.api.models.shapes import Input, Output, Query
from billing.api.problems import ApiProblem


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. The same line routes it, checks it, and stands in the OpenAPI document.

    `action` is what the caller has to be permitted (`policies/permission.py`); None is
    open to any good token. `answer` None is an answer without a body. With `is_keyed`, an
    Idempotency-Key is honoured. `examples` are (request body, answer), either may be None.
    """

    id: str
    method: str
    path: str
    tag: str
    summary: str
    action: str | None
    answer: type[Output] | None
    status: int = 200
    description: str = ""
    body: type[Input] | None = None
    query: type[Query] | None = None
    problems: tuple[ApiProblem, ...] = ()
    is_keyed: bool = False
    # An example is what JSON can say.
    request_example: Mapping[str, Any] | None = None
    answer_example: Mapping[str, Any] | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the names in the path's braces."""
        parts = self.path.split("/")
        return tuple(part[1:-1] for part in parts if part.startswith("{"))
