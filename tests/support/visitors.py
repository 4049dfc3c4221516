"""Visitors' sessions in memory: a full implementation of the port of `checkout_pages`."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.errors import UnavailableError
from checkout_pages.ports import Visitor
from tests.support.clock import FakeClock

_TICKET_TTL = timedelta(seconds=60)
_SESSION_TTL = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class _Session:
    visitor: Visitor
    host: str
    parent: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Ticket:
    parent: str
    host: str
    target: str
    fingerprint: str
    expires_at: datetime


class MemoryVisitors:
    """Keeps sessions of every host; `host` is where sign-in itself happens.

    `is_down` makes every call unavailable.
    """

    def __init__(self, clock: FakeClock, host: str) -> None:
        self.clock = clock
        self.host = host
        self.is_down = False
        self._sessions: dict[str, _Session] = {}
        self._tickets: dict[str, _Ticket] = {}
        self._clients: dict[str, str] = {}
        self._made = 0

    async def find(self, token: str) -> Visitor | None:
        return self.find_on(token, self.host)

    def find_on(self, token: str, host: str) -> Visitor | None:
        """Return the visitor of a session that is live on the host, or None."""
        self._answer()
        held = self._find_live(token)
        return held.visitor if held is not None and held.host == host else None

    async def sign_in(self, external_id: str) -> str:
        self._answer()
        client_id = self._clients.setdefault(external_id, f"client-{len(self._clients) + 1}")
        token = self._make("session")
        self._sessions[token] = _Session(
            Visitor(client_id, external_id), self.host, "", self.clock() + _SESSION_TTL
        )
        return token

    async def sign_out(self, token: str) -> None:
        self._answer()
        self._sessions = {
            key: held for key, held in self._sessions.items() if token not in {key, held.parent}
        }

    async def issue_ticket(self, token: str, *, host: str, target: str, fingerprint: str) -> str:
        self._answer()
        ticket = self._make("ticket")
        self._tickets[ticket] = _Ticket(
            token, host, target, fingerprint, self.clock() + _TICKET_TTL
        )
        return ticket

    async def enter(self, ticket: str, *, host: str, fingerprint: str) -> tuple[str, str] | None:
        self._answer()
        held = self._tickets.get(ticket)
        if held is None or (held.host, held.fingerprint) != (host, fingerprint):
            return None
        if held.expires_at <= self.clock():
            return None
        del self._tickets[ticket]
        parent = self._find_live(held.parent)
        if parent is None:
            return None
        token = self._make("session")
        self._sessions[token] = _Session(parent.visitor, host, held.parent, parent.expires_at)
        return token, held.target

    def _find_live(self, token: str) -> _Session | None:
        held = self._sessions.get(token)
        return held if held is not None and held.expires_at > self.clock() else None

    def _make(self, what: str) -> str:
        self._made += 1
        return f"{what}-{self._made}"

    def _answer(self) -> None:
        if self.is_down:
            raise UnavailableError("the sessions are down")
