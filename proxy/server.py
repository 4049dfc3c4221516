"""Listens for visitors, counts them, and lets them finish when it stops."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from proxy.certificates import Certificates
from proxy.deadlines import Deadlines
from proxy.downstream import Downstream
from proxy.exchange import Exchange
from proxy.handshake import Entrance, Handshake
from proxy.parties import Keeper
from proxy.problems import Problem
from proxy.settings import ProxySettings
from proxy.wire.head import HeadLimits

_BACKLOG = 2048
# For a request that is on its way to a connection which waits for one, when we stop. Whoever
# asked just now would otherwise find the connection closed, and could not know whether his
# request was heard (RFC 9112 section 9.6).
_GRACE_S = 1.0


class Requests(Keeper, Protocol):
    """Who decides on requests; `gate.Gate`."""

    def begin(self, exchange: Exchange) -> None:
        """Take a request on."""
        ...

    def refuse_unread(self, problem: Problem, detail: str | None) -> bytes:
        """Return the answer to what could not be read as a request."""
        ...


class ProxyServer:
    """Serves a gate on sockets that are already bound."""

    gate: Requests
    settings: ProxySettings
    head_limits: HeadLimits

    def __init__(
        self, gate: Requests, settings: ProxySettings, deadlines: Deadlines, *, drain_s: float
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_draining = False
        self.adopt(gate, settings, drain_s=drain_s)
        self._deadlines = deadlines
        self._servers: list[tuple[asyncio.Server | Entrance, socket.socket]] = []
        self._certificates: Certificates | None = None
        self._open: set[Downstream] = set()
        self._arriving: dict[Downstream, Handshake] = {}
        self._by_address: Counter[str] = Counter()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @property
    def connections(self) -> int:
        """Visitors' connections that are open, WebSockets and handshakes among them."""
        return len(self._open) + len(self._arriving)

    async def start(
        self, sockets: Sequence[socket.socket], certificates: Certificates | None = None
    ) -> None:
        """Accept connections on every socket, over TLS if there are certificates."""
        self._certificates = certificates
        if certificates is not None:
            certificates.start()
        for sock in sockets:
            kept = sock.dup()  # The server closes what it was given.
            kept.setblocking(False)
            self._servers.append((await self._open_door(sock), kept))

    async def _open_door(self, sock: socket.socket) -> asyncio.Server | Entrance:
        if self._certificates is None:
            return await self.loop.create_server(
                lambda: Downstream(self), sock=sock, backlog=_BACKLOG
            )
        entrance = Entrance(self, self._certificates, sock)
        entrance.open(_BACKLOG)
        return entrance

    def adopt(self, gate: Requests, settings: ProxySettings, *, drain_s: float) -> None:
        """Give the requests that begin from now on to this gate; others stay where they are."""
        self.gate = gate
        self.settings = settings
        self.head_limits = HeadLimits(
            head=settings.head_limit_bytes,
            url=settings.url_limit_bytes,
            field=settings.header_limit_bytes,
            count=settings.header_count_limit,
        )
        self._drain_s = drain_s

    @property
    def patience_s(self) -> float:
        """How long a connection may wait for another request, in seconds.

        While we drain too: its last answer may have promised to take one.
        """
        if self.is_draining:
            return min(_GRACE_S, self._drain_s / 2)
        return self.settings.keepalive_timeout_s

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Accept no more, and let what runs end within the drain time, or until `hurry` is set.

        Cancelling cuts what runs, too.
        """
        self.is_draining = True
        if self._certificates is not None:
            self._certificates.stop()
        try:
            await self._take_in_waiting()
            for connection in tuple(self._open):
                connection.drain()
            await self._wait_until_empty(hurry or asyncio.Event())
        finally:
            for handshake in tuple(self._arriving.values()):
                handshake.cut()
            for connection in tuple(self._open):
                connection.cut()
        await self._is_empty.wait()

    async def _take_in_waiting(self) -> None:
        """Close the sockets; who waits there is let in first, or the kernel would reset him."""
        servers, self._servers = self._servers, []
        for server, kept in servers:
            server.close()
            with contextlib.closing(kept):
                for sock, address in _waiting_at(kept):
                    await self._let_in(sock, address)

    async def _let_in(self, sock: socket.socket, address: str) -> None:
        if self._certificates is not None:
            Handshake(self, self._certificates, sock, address).begin()
            return
        with contextlib.suppress(OSError):  # He has left already.
            await self.loop.connect_accepted_socket(lambda: Downstream(self), sock)

    async def _wait_until_empty(self, hurry: asyncio.Event) -> None:
        waiting = [
            asyncio.ensure_future(self._is_empty.wait()),
            asyncio.ensure_future(hurry.wait()),
        ]
        try:
            await asyncio.wait(waiting, timeout=self._drain_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    def on_opened(self, connection: Downstream) -> bool:
        """Count a connection; False if its address has too many."""
        self._open.add(connection)
        self._deadlines.add(connection)
        if self.is_draining:
            connection.drain()
        # After a handshake it is counted already.
        return self._arriving.pop(connection, None) is not None or self._count(connection.peer)

    def on_closed(self, connection: Downstream) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        self._deadlines.discard(connection)
        self._forget(connection.peer)

    def on_arrived(self, handshake: Handshake) -> bool:
        """Count a connection that has yet to agree on TLS; False if its address has too many."""
        self._arriving[handshake.connection] = handshake
        return self._count(handshake.peer)

    def on_left(self, handshake: Handshake) -> None:
        """Forget a handshake that is over; what came of it stays."""
        if self._arriving.pop(handshake.connection, None) is not None:
            self._forget(handshake.peer)

    def _count(self, address: str) -> bool:
        self._is_empty.clear()
        self._by_address[address] += 1
        limit = self.settings.connections_per_address
        return not limit or self._by_address[address] <= limit

    def _forget(self, address: str) -> None:
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        if not self.connections:
            self._is_empty.set()


def _waiting_at(listening: socket.socket) -> Iterator[tuple[socket.socket, str]]:
    """Accept who waits already, with his address; who goes on coming is somebody else's."""
    for _ in range(_BACKLOG):
        try:
            sock, address = listening.accept()
        except OSError:
            return  # Nobody, or no room for anybody.
        sock.setblocking(False)
        yield sock, str(address[0])
