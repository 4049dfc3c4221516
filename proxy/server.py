"""Listens for visitors, counts them, and lets them finish when it stops."""

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
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

    def __init__(
        self, gate: Requests, settings: ProxySettings, deadlines: Deadlines, *, drain_s: float
    ) -> None:
        self.gate = gate
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.is_draining = False
        self.head_limits = HeadLimits(
            head=settings.head_limit_bytes,
            url=settings.url_limit_bytes,
            field=settings.header_limit_bytes,
            count=settings.header_count_limit,
        )
        self._deadlines = deadlines
        self._drain_s = drain_s
        self._servers: list[asyncio.Server | Entrance] = []
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
            if certificates is None:
                self._servers.append(
                    await self.loop.create_server(
                        lambda: Downstream(self), sock=sock, backlog=_BACKLOG
                    )
                )
            else:
                entrance = Entrance(self, certificates, sock)
                entrance.open(_BACKLOG)
                self._servers.append(entrance)

    async def stop(self) -> None:
        """Accept no more, and let what runs end within the drain time."""
        self.is_draining = True
        if self._certificates is not None:
            self._certificates.stop()
        for server in self._servers:
            server.close()
        for connection in tuple(self._open):
            connection.drain()
        try:
            async with asyncio.timeout(self._drain_s):
                await self._is_empty.wait()
        except TimeoutError:
            for handshake in tuple(self._arriving.values()):
                handshake.cut()
            for connection in tuple(self._open):
                connection.cut()
            await self._is_empty.wait()

    def on_opened(self, connection: Downstream) -> bool:
        """Count a connection; False if its address has too many."""
        self._open.add(connection)
        self._deadlines.add(connection)
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
