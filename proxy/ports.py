"""What the request path needs of the world."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from policies.decision import Reason
from policies.model import Snapshot, Unknown

Clock = Callable[[], datetime]
"""Returns the present instant, aware and in UTC."""


Heard = Callable[[str | None], None]
"""Is told whose something has changed; None is that of anybody it may have."""


class Facts(Protocol):
    """What clients hold. No call raises: not knowing is a value."""

    def subscribe(self, heard: Heard) -> None:
        """Call `heard` with a client from now on whenever what he holds has changed."""
        ...

    def find(self, client_id: str) -> Snapshot | None:
        """Return a snapshot that is in memory and fresh, without waiting."""
        ...

    def find_last_known(self, client_id: str) -> Snapshot | None:
        """Return the last snapshot seen, however old, unless it is known to be outdated."""
        ...

    def age_s(self, client_id: str) -> float:
        """Return the seconds since the client's snapshot was read."""
        ...

    async def read(self, client_id: str) -> Snapshot | Unknown:
        """Return the snapshot from the nearest store that has it."""
        ...

    async def read_truth(self, client_id: str) -> Snapshot | Unknown:
        """Return the snapshot from the database, whatever caches hold."""
        ...

    def may_refresh(self, client_id: str) -> bool:
        """Tell whether `read_refreshed` may find more than `read_truth`."""
        ...

    async def read_refreshed(self, client_id: str) -> Snapshot | Unknown:
        """Return the snapshot from the database, after the payment provider was asked."""
        ...


class Outages(Protocol):
    """Counts what was decided without the facts."""

    def note(self, app_id: str, reason: Reason) -> None:
        """Take note of a decision on the app for this reason, which may be any."""
        ...


class SessionsUnavailableError(Exception):
    """The session store did not answer; whether the visitor is signed in is not known."""


class Sessions(Protocol):
    """Who is signed in with which cookie on which host."""

    def subscribe(self, heard: Heard) -> None:
        """Call `heard` with a session's name from now on whenever one has ended."""
        ...

    def name_of(self, token: str) -> str:
        """Return the name under which subscribers hear of a session; it lets nobody in."""
        ...

    def find_end(self, token: str) -> datetime | None:
        """Return when a session that is remembered ends at the latest, without waiting."""
        ...

    def recall(self, token: str, host: str) -> str | None:
        """Return the client of a session that is remembered as live, without waiting."""
        ...

    async def find_client(self, token: str, host: str) -> str | None:
        """Return the client of a live session, or None.

        Raises:
            SessionsUnavailableError: the store did not answer.
        """
        ...


class Clients(Protocol):
    """Clients by the name under which an issuer of tokens knows them."""

    def subscribe(self, heard: Heard) -> None:
        """Call `heard` with a client from now on whenever one was closed, or signed out."""
        ...

    def recall(self, external_id: str, issued_s: float) -> str | None:
        """Return the id of a client that is remembered, without waiting; see `admit`."""
        ...

    async def admit(self, external_id: str, issued_s: float) -> str | None:
        """Return the id of the client, who is new if never seen before.

        None if the client was closed, or was signed out everywhere after its token was issued,
        at `issued_s` in seconds since 1970.

        Raises:
            SessionsUnavailableError: the store did not answer.
        """
        ...
