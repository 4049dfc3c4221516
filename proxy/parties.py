"""Who takes part in an exchange besides the app, and what is said to the app."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from policies.decision import Decision
from proxy.answer import Answer
from proxy.problems import Problem
from proxy.settings import Timeouts
from proxy.tunnel import Tunnel

if TYPE_CHECKING:
    from proxy.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a request and its answer by its route.

    `is_private` marks the answer as one client's own; `own_cookies` are never set by an app.
    """

    timeouts: Timeouts
    own_cookies: frozenset[bytes]
    is_private: bool
    body_limit: int | None = None


class Outgoing:
    """A request as the app shall see it, and what the answer is given.

    `head` is everything before the framing fields, `added` are lines for the answer.
    """

    __slots__ = ("added", "head", "terms")

    def __init__(self, head: bytes, added: bytes, terms: Terms) -> None:
        self.head = head
        self.added = added
        self.terms = terms


class Visitor(Protocol):
    """The connection that the request came on; `downstream.Downstream`."""

    is_writing_paused: bool
    server_name: str | None

    @property
    def is_last(self) -> bool:
        """Tell whether no other request will be taken on this connection."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes of the answer."""
        ...

    def proceed(self) -> None:
        """Go on with what has been read."""
        ...

    def limit_body(self, seconds: float) -> None:
        """Give the whole upload so long from now."""
        ...

    def discard_body(self) -> bool:
        """Throw away what has come of the upload; tell whether that was all of it."""
        ...

    def finish(self, *, keep_alive: bool) -> None:
        """Take note that the answer is whole."""
        ...

    def abort(self) -> None:
        """Cut the connection."""
        ...

    def hand_over(self, tunnel: Tunnel) -> None:
        """Let the tunnel have the transport, and what was read ahead."""
        ...


class Keeper(Protocol):
    """Whoever words refusals and keeps the log; `gate.Gate`."""

    def explain(self, exchange: "Exchange", problem: Problem, detail: str | None) -> Answer:
        """Return the answer that tells the problem."""
        ...

    def refuse(self, exchange: "Exchange", decision: Decision) -> None:
        """Answer a request that was let through, of whose answer nothing has come, by a refusal."""
        ...

    def watch(self, exchange: "Exchange", tunnel: Tunnel | None = None) -> None:
        """Take note that an exchange goes on for long, and end it when it may not any more."""
        ...

    def note(self, exchange: "Exchange") -> None:
        """Write the exchange's line in the log."""
        ...
