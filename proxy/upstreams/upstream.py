"""All servers of one app: which one is asked next, and how many are asked at once."""

import asyncio
from collections import deque

from proxy.deadlines import Deadlines
from proxy.settings import App, Balance, ProxySettings
from proxy.upstreams.address import Address, parse_address
from proxy.upstreams.connection import UpstreamConnection
from proxy.upstreams.errors import UpstreamBusyError, UpstreamError
from proxy.upstreams.health import HealthChecker
from proxy.upstreams.server import Breaker, Server

# Requests that wait for one of an app's connections, at most; more are refused at once.
_QUEUE_LIMIT = 1024


class Upstream:
    """Where one app's requests go. `limit` is of connections, to all its servers together.

    Open WebSockets do not count: they stay for hours, and would leave no room for requests.
    """

    def __init__(self, servers: tuple[Server, ...], balance: Balance, limit: int) -> None:
        self.servers = servers
        self._balance = balance
        self._limit = limit
        self._turn = -1
        self._checker: HealthChecker | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._promised = 0  # places that have become free, for those who are about to take them
        self._loop = asyncio.get_running_loop()

    @property
    def busy(self) -> int:
        """Connections that requests use."""
        return sum(server.busy for server in self.servers)

    @property
    def tunnels(self) -> int:
        """Connections of open WebSockets."""
        return sum(server.tunnels for server in self.servers)

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return sum(server.idle for server in self.servers)

    def choose(self) -> Server | None:
        """Return the server whose turn it is; None if none is well.

        One that was shut out gets this request as its trial, and no other meanwhile.
        """
        if len(self.servers) == 1 and self.servers[0].is_sound:
            return self.servers[0]
        now = self._loop.time()
        self._turn = (self._turn + 1) % len(self.servers)
        server = next(iter(self._well(now)), None)
        if server is not None:
            server.try_once(now)
        return server

    def take(self, server: Server) -> UpstreamConnection | None:
        """Return an open connection to the server, if there is one that nobody waits for."""
        return None if self._waiting or self._promised else server.take_idle()

    async def connect(self, first: Server, timeout_s: float) -> tuple[Server, UpstreamConnection]:
        """Return a connection, a new one if need be; a server that refuses is passed over.

        Nothing was sent to it, so that is safe for every method.

        Raises:
            UpstreamBusyError: all connections are taken and stay so.
            UpstreamError: no server could be connected to.
        """
        await self._wait_for_room(timeout_s)
        connection = first.take_idle()
        if connection is not None:
            return first, connection
        return await self.connect_anew(first, timeout_s)

    async def connect_anew(
        self, first: Server, timeout_s: float
    ) -> tuple[Server, UpstreamConnection]:
        """Return a connection that carried no request yet, to `first` or, failing that, another.

        Raises:
            UpstreamError: no server could be connected to.
        """
        try:
            return first, await first.connect(timeout_s)
        except UpstreamError as error:
            first.note_failure()
            failed = error
        for server in self._well(self._loop.time()):
            # Others may have found out in the meantime that it is not well.
            if server is first or not server.is_available(self._loop.time()):
                continue
            server.try_once(self._loop.time())
            try:
                return server, await server.connect(timeout_s)
            except UpstreamError as error:
                server.note_failure()
                failed = error
        raise failed

    def find_other(self, than: Server) -> Server | None:
        """Return another server that is well, or None."""
        now = self._loop.time()
        found = next((server for server in self._well(now) if server is not than), None)
        if found is not None:
            found.try_once(now)
        return found

    def on_room(self) -> None:
        """Let the next request have the connection that has become free."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._promised += 1
                waiter.set_result(None)
                return

    def watch(self, checker: HealthChecker) -> None:
        """Let the servers be checked until `close`."""
        self._checker = checker
        checker.start()

    def close(self) -> None:
        """Close the connections that nobody uses, and check no more; requests keep theirs."""
        if self._checker is not None:
            self._checker.stop()
        for server in self.servers:
            server.close_idle()

    async def _wait_for_room(self, timeout_s: float) -> None:
        if self.busy + self._promised < self._limit and not self._waiting:
            return
        if len(self._waiting) >= _QUEUE_LIMIT:
            raise UpstreamBusyError("too many requests wait for the app")
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._promised -= 1
                self.on_room()  # Ours now, and we do not want it any more.
            if not isinstance(error, TimeoutError):
                raise
            raise UpstreamBusyError("every connection to the app was busy for too long") from error
        self._promised -= 1

    def _well(self, now: float) -> list[Server]:
        """Return the servers that may be asked, the one whose turn it is first."""
        order = self.servers[self._turn :] + self.servers[: self._turn]
        well = [server for server in order if server.is_available(now)]
        if self._balance is Balance.LEAST_CONNECTIONS:
            well.sort(key=lambda server: server.busy + server.tunnels)
        return well


def upstream_of(app: App, settings: ProxySettings, deadlines: Deadlines) -> Upstream:
    """Return where an app's requests go; its servers are checked from now on, if it says so.

    Raises:
        ValueError: an address is none.
        OSError: a CA file cannot be read.
    """
    addresses = tuple(parse_address(url, app.tls) for url in app.upstreams)
    breaker = Breaker(app.failures, app.cooldown_s)
    upstream = _make(addresses, breaker, app.balance, settings, deadlines)
    if app.health is not None:
        upstream.watch(HealthChecker(app, app.health, upstream.servers, deadlines))
    return upstream


def control_upstream(socket_path: str, settings: ProxySettings, deadlines: Deadlines) -> Upstream:
    """Return the control process: the gateway's own pages, behind a private socket."""
    address = Address("control", path=socket_path)
    # It is us: there is nobody else to ask, so it is always asked.
    return _make((address,), Breaker(2**31, 0.0), Balance.ROUND_ROBIN, settings, deadlines)


def _make(
    addresses: tuple[Address, ...],
    breaker: Breaker,
    balance: Balance,
    settings: ProxySettings,
    deadlines: Deadlines,
) -> Upstream:
    servers = tuple(
        Server(address, breaker, deadlines, idle_s=settings.upstream_idle_s)
        for address in addresses
    )
    upstream = Upstream(servers, balance, settings.upstream_connections)
    for server in servers:
        server.on_room = upstream.on_room
    return upstream
