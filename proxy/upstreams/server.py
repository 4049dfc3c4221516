"""One server of an app: its connections, and whether it is worth asking."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from proxy.deadlines import Deadlines
from proxy.upstreams.address import Address
from proxy.upstreams.connection import UpstreamConnection
from proxy.upstreams.errors import UpstreamError


@dataclass(frozen=True, slots=True)
class Breaker:
    """`failures` in a row shut a server out for `cooldown_s`; then one request may try it."""

    failures: int
    cooldown_s: float


class Server:
    """A server's idle connections (the newest is used first), its load and its standing."""

    def __init__(
        self, address: Address, breaker: Breaker, deadlines: Deadlines, *, idle_s: float
    ) -> None:
        self.address = address
        self.is_healthy = True
        """What active checks found; true where there are none."""
        self.is_sound = True
        """Whether nothing at all is held against it, which is how it nearly always is."""
        self.on_room: Callable[[], None] = lambda: None
        """Called when a connection has become free, or a place for one."""
        self._breaker = breaker
        self._deadlines = deadlines
        self._idle_s = idle_s
        self._idle: deque[UpstreamConnection] = deque()
        self._open: set[UpstreamConnection] = set()
        self._tunnels: set[UpstreamConnection] = set()
        self._connecting = 0
        self._failures = 0
        self._shut_until = 0.0
        self._loop = asyncio.get_running_loop()

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return len(self._idle)

    @property
    def busy(self) -> int:
        """Connections that a request is under way on, or that are being opened for one."""
        return len(self._open) - len(self._idle) + self._connecting

    @property
    def tunnels(self) -> int:
        """Connections of open WebSockets."""
        return len(self._tunnels)

    def is_available(self, now: float) -> bool:
        """Tell whether a request may be sent here."""
        return self.is_healthy and (not self._shut_until or now >= self._shut_until)

    def take_idle(self) -> UpstreamConnection | None:
        """Return an open connection that nobody uses, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def connect(self, timeout_s: float) -> UpstreamConnection:
        """Return a new connection.

        Raises:
            UpstreamError: there is none to be had in time.
        """
        connection: UpstreamConnection | None = None
        self._connecting += 1
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self.address.connect(self._make)
            if not connection.is_open:
                # Nobody would be told that it is closed, once it has a request.
                raise UpstreamError(f"{self.address.name}: closed as soon as it was open")
            return connection  # noqa: TRY300 - it is told apart below
        except TimeoutError as error:
            raise UpstreamError(f"{self.address.name}: no connection in time") from error
        except OSError as error:
            raise UpstreamError(f"{self.address.name}: {error}") from error
        finally:
            self._connecting -= 1
            if connection is None:
                self.on_room()

    def note_success(self) -> None:
        """Take note that the server answered."""
        self._failures = 0
        self._shut_until = 0.0
        self.is_sound = self.is_healthy

    def note_failure(self) -> None:
        """Take note that the server could not be reached, or did not answer."""
        self._failures += 1
        self.is_sound = False
        if self._failures >= self._breaker.failures:
            self._shut_until = self._loop.time() + self._breaker.cooldown_s

    def note_health(self, *, is_healthy: bool) -> None:
        """Take note of what active checks have come to; one found well again is used at once."""
        self.is_healthy = self.is_sound = is_healthy
        if is_healthy:
            self.note_success()

    def try_once(self, now: float) -> None:
        """Let the request that is sent now be the only one until it is known how it ends."""
        if self._shut_until:
            self._shut_until = now + self._breaker.cooldown_s

    def close_idle(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def on_opened(self, connection: UpstreamConnection) -> None:
        """Count a connection; see `connection.Owner`."""
        self._open.add(connection)

    def on_idle(self, connection: UpstreamConnection) -> None:
        """Take a connection back; see `connection.Owner`."""
        connection.park(self._idle_s)
        self._idle.append(connection)
        self.on_room()

    def on_handed_over(self, connection: UpstreamConnection) -> None:
        """Keep a place for others no longer; see `connection.Owner`."""
        self._open.discard(connection)
        self._tunnels.add(connection)
        self.on_room()

    def on_closed(self, connection: UpstreamConnection) -> None:
        """Forget a connection; see `connection.Owner`."""
        if connection in self._tunnels:
            self._tunnels.remove(connection)
            return
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        else:
            self.on_room()

    def _make(self) -> UpstreamConnection:
        return UpstreamConnection(self, self._deadlines)
