"""Who is signed in: sessions in Postgres, remembered here, and dropped on notice.

Carries out `proxy.ports.Sessions`, and `checkout_pages.ports.Visitors`.
A token is 32 random bytes; only its SHA-256 is stored or kept.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cachetools import LRUCache, TTLCache

from billing.entitlements.rest import Rest
from billing.errors import UnavailableError
from billing.ports import Clock
from billing.storage import clients, sessions
from billing.storage.pool import Database
from billing.storage.sessions import LiveSession
from checkout_pages.ports import Visitor
from gateway.hearing import Hearing
from gateway.last_known.records import KnownSession
from gateway.last_known.seeds import Seeds, items_of
from proxy.ports import Heard, SessionsUnavailableError

_TICKET_TTL = timedelta(minutes=1)
_MAX_KEPT = 100_000
# How long a session is taken as live without asking again; the backstop for a notice
# that was lost without anybody knowing.
_FRESH_S = 30.0
# A made-up cookie costs one look-up in this time, not one a request.
_ABSENT_S = 5.0
# What is longer is no token of ours and is not worth hashing.
_MAX_TOKEN_CHARS = 100


@dataclass(frozen=True, slots=True)
class _Kept:
    session: LiveSession
    gaps: int
    read_s: float


class SessionStore:
    """Sessions of every host. `host` is where sign-in itself happens, the gateway's own."""

    def __init__(
        self,
        database: Database,
        wall: Clock,
        *,
        host: str,
        ttl_s: int,
        timeout_s: float = 2.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._wall = wall
        self._host = host
        self._ttl = timedelta(seconds=ttl_s)
        # For one look-up, so that nobody waits longer for a database that hangs.
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._kept: LRUCache[bytes, _Kept] = LRUCache(_MAX_KEPT)
        self._absent: TTLCache[bytes, bool] = TTLCache(_MAX_KEPT, _ABSENT_S, timer=monotonic)
        self._rest = Rest(monotonic)
        self._forgotten = 0
        self._hearing = Hearing(monotonic)
        self.seeds: Seeds[KnownSession] = Seeds(wall)
        self._subscribers: list[Heard] = []

    def subscribe(self, heard: Heard) -> None:
        """Call `heard` with the name of each session that ends; see `proxy.ports.Sessions`."""
        self._subscribers.append(heard)

    def name_of(self, token: str) -> str:
        """Return the name under which notices tell of the session, its hash."""
        return _hash(token).hex()

    def find_end(self, token: str) -> datetime | None:
        """Return when a remembered session ends; see `proxy.ports.Sessions`."""
        session = self._find_last_known(_hash(token))
        return None if session is None else session.expires_at

    def recall(self, token: str, host: str) -> str | None:
        """Return the client of a session remembered as live; see `proxy.ports.Sessions`."""
        if len(token) > _MAX_TOKEN_CHARS:
            return None
        kept = self._recall(_hash(token))
        if kept is None or kept.host != host or kept.expires_at <= self._wall():
            return None
        return kept.client_id

    async def find_client(self, token: str, host: str) -> str | None:
        """Return the client of a live session; see `proxy.ports.Sessions`."""
        try:
            found = await self._find(token, host)
        except UnavailableError as error:
            raise SessionsUnavailableError(str(error)) from error
        return found.client_id if found else None

    async def find(self, token: str) -> Visitor | None:
        """Return who is signed in on the gateway's own host."""
        found = await self._find(token, self._host)
        if found is None:
            return None
        if not found.external_id:
            raise UnavailableError("what was written down of sessions names nobody")
        return Visitor(found.client_id, found.external_id)

    async def sign_in(self, external_id: str) -> str:
        """Begin a session on the gateway's own host and return its token."""
        token = secrets.token_urlsafe(32)
        now = self._wall()
        async with self._database.transaction() as connection:
            client_id = await clients.get_or_create_client(connection, external_id)
            await sessions.create_session(
                connection,
                _hash(token),
                client_id,
                self._host,
                now=now,
                expires_at=now + self._ttl,
            )
        return token

    async def sign_out(self, token: str) -> None:
        """End the session and those carried from it, here now and elsewhere by notice."""
        async with self._database.transaction() as connection:
            ended = await sessions.revoke_session(connection, _hash(token), self._wall())
        self._forgotten += 1
        for token_hash in ended:
            self._kept.pop(token_hash, None)
            self.seeds.forget(token_hash)

    async def issue_ticket(self, token: str, *, host: str, target: str, fingerprint: str) -> str:
        """Return a ticket that carries the session to `host`, once and within a minute."""
        ticket = secrets.token_urlsafe(32)
        async with self._database.transaction() as connection:
            await sessions.create_ticket(
                connection,
                _hash(ticket),
                _hash(token),
                host=host,
                target=target,
                browser=fingerprint,
                expires_at=self._wall() + _TICKET_TTL,
            )
        return ticket

    async def enter(self, ticket: str, *, host: str, fingerprint: str) -> tuple[str, str] | None:
        """Use the ticket up; return a token for `host` and the page asked for."""
        token = secrets.token_urlsafe(32)
        async with self._database.transaction() as connection:
            target = await sessions.use_ticket(
                connection,
                _hash(ticket),
                _hash(token),
                host=host,
                browser=fingerprint,
                now=self._wall(),
            )
        return (token, target) if target is not None else None

    async def forget(self, token_hash_hex: str) -> None:
        """Drop an ended session; called with the payload of a notice."""
        self._forgotten += 1
        token_hash = bytes.fromhex(token_hash_hex)
        self._kept.pop(token_hash, None)
        self.seeds.forget(token_hash)
        for heard in self._subscribers:
            heard(token_hash_hex)

    def lost(self) -> None:
        """Sign-outs may go unheard from now on: nobody is remembered for long."""
        self._hearing.lost()

    def hears(self) -> None:
        """All sign-outs are heard from now on; everybody is looked up on next use."""
        self._hearing.hears()
        self._forgotten += 1
        for heard in self._subscribers:
            heard(None)

    def known(self) -> Iterator[KnownSession]:
        """Iterate over what is remembered, whatever changes meanwhile."""
        yield from self.seeds
        for token_hash, kept in items_of(self._kept):
            session = kept.session
            yield KnownSession(token_hash, session.client_id, session.host, session.expires_at)

    async def _find(self, token: str, host: str) -> LiveSession | None:
        if len(token) > _MAX_TOKEN_CHARS:
            return None
        found = await self._look_up(_hash(token))
        holds = found is not None and found.host == host and found.expires_at > self._wall()
        return found if holds else None

    def _recall(self, token_hash: bytes) -> LiveSession | None:
        try:
            kept = self._kept[token_hash]
        except KeyError:
            return None
        if self._monotonic() - kept.read_s >= _FRESH_S:
            return None
        return kept.session if self._hearing.covers(kept.gaps, kept.read_s) else None

    async def _look_up(self, token_hash: bytes) -> LiveSession | None:
        fresh = self._recall(token_hash)
        if fresh is not None:
            return fresh
        if token_hash in self._absent:
            return None
        last_known = self._find_last_known(token_hash)
        # Who is known waits for no database that just failed, but for one try a second.
        if last_known is not None and not self._rest.is_over and not self._rest.may_try():
            return last_known
        forgotten = self._forgotten
        try:
            found = await self._read(token_hash)
        except UnavailableError:
            self._rest.failed()
            # While the store is down nobody can sign out either: who was in stays in, unless we
            # have heard of an end meanwhile.
            last_known = self._find_last_known(token_hash)
            if last_known is not None:
                return last_known
            raise
        self._rest.succeeded()
        self.seeds.forget(token_hash)
        if found is None:
            self._kept.pop(token_hash, None)
            self._absent[token_hash] = True
        elif forgotten == self._forgotten:
            # Ended while we asked, it would be taken as live once more.
            self._kept[token_hash] = _Kept(found, self._hearing.gaps, self._monotonic())
        return found

    def _find_last_known(self, token_hash: bytes) -> LiveSession | None:
        kept = self._kept.get(token_hash)
        if kept is not None:
            return kept.session
        seed = self.seeds.find(token_hash)
        if seed is None:
            return None
        # Without a name: there is none in a file.
        return LiveSession(seed.client_id, "", seed.host, seed.expires_at)

    async def _read(self, token_hash: bytes) -> LiveSession | None:
        try:
            async with asyncio.timeout(self._timeout_s), self._database.connection() as connection:
                return await sessions.find_session(connection, token_hash, self._wall())
        except TimeoutError as error:
            raise UnavailableError("Postgres did not answer in time") from error


def _hash(token: str) -> bytes:
    # Bytes that are no text come as lone surrogates (PEP 383); they are nobody's token.
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
