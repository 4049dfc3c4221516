"""One call under way: who makes it, with what, and what comes of it."""

import hashlib
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from billing.api.models.shapes import Input, Output, Query
from billing.model import Cause, Source
from policies.permission import Caller, Role

_Q = TypeVar("_Q", bound=Query)
_I = TypeVar("_I", bound=Input)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that could be read, by somebody who is known.

    `path` are the values of the braces in the operation's path. `key` is the caller's own
    Idempotency-Key, None where it sent none.
    """

    caller: Caller
    path: Mapping[str, str]
    query: Query
    body: Input | None
    key: str | None
    request_id: str

    @property
    def cause(self) -> Cause:
        """Return why whatever this call changes is changed."""
        return Cause(Source.ADMIN, self.caller.actor, request_id=self.request_id)

    @property
    def app_id(self) -> str | None:
        """Return the one app whose things the caller sees; None where it sees all, or its own."""
        return self.caller.app_id if self.caller.role is Role.APP else None

    @property
    def command_key(self) -> str:
        """Return the key under which what this call wants is done once; new without a key."""
        if self.key is None:
            return f"api:{uuid.uuid4()}"
        # Two callers' keys must not meet, and how long an actor's name is must not matter.
        digest = hashlib.sha256(f"{self.caller.actor}\n{self.key}".encode()).hexdigest()
        return f"api:{digest[:40]}"

    def asked(self, model: type[_Q]) -> _Q:
        """Return the query as what the operation's line says it is."""
        if not isinstance(self.query, model):
            raise TypeError(f"the operation has no {model.__name__}")
        return self.query

    def told(self, model: type[_I]) -> _I:
        """Return the body as what the operation's line says it is."""
        if not isinstance(self.body, model):
            raise TypeError(f"the operation has no {model.__name__}")
        return self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes of a call. `location` is the path of what was made.

    `client_id` is whom the call made known, where it was about nobody before.
    """

    content: Output
    location: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Aim:
    """Whom and which app a call is about, as far as permission goes; None where nobody's.

    An empty text is nobody's thing: it is permitted to who may see all, and hidden from
    everybody else, so that what is not there and what is another's look the same.
    """

    client_id: str | None = None
    app_id: str | None = None


NOBODYS = Aim(client_id="", app_id="")


@dataclass(frozen=True, slots=True)
class Binding:
    """What carries an operation out: first `aim`, then, if that is permitted, `act`."""

    aim: Callable[[Call], Awaitable[Aim]]
    act: Callable[[Call], Awaitable[Answer]]
