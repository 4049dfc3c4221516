"""A visitor's connection until TLS is agreed on; its `Downstream` has it after that.

The connection counts from its first moment: handshakes that are begun and never finished
would otherwise cost memory without a limit. asyncio's own servers tell of a connection only
after its handshake, which is why connections are accepted here.
"""

import asyncio
import errno
import socket
import ssl
from typing import TYPE_CHECKING, Final

import structlog

from proxy.certificates import Certificates
from proxy.downstream import Downstream

if TYPE_CHECKING:
    from proxy.server import ProxyServer

_log = structlog.get_logger("proxy")

# Taken in one turn of the loop at most, so that those who are in already have theirs.
_AT_ONCE: Final = 64
# For our last words to get out and the visitor's own to come in, once the connection ends.
_SHUTDOWN_S: Final = 2.0
# No descriptor or no memory is left: asking again at once would only burn the processor.
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RELIEF_S: Final = 1.0


class Entrance:
    """Accepts connections on a socket that is bound, and begins a handshake with each."""

    def __init__(
        self, server: "ProxyServer", certificates: Certificates, listening: socket.socket
    ) -> None:
        self._server = server
        self._certificates = certificates
        self._listening = listening
        self._relief: asyncio.TimerHandle | None = None

    def open(self, backlog: int) -> None:
        """Begin to accept."""
        self._listening.setblocking(False)
        self._listening.listen(backlog)
        self._go_on()

    def close(self) -> None:
        """Accept no more, and close the socket."""
        if self._listening.fileno() < 0:
            return
        if self._relief is not None:
            self._relief.cancel()
        self._server.loop.remove_reader(self._listening.fileno())
        self._listening.close()

    def _go_on(self) -> None:
        self._relief = None
        self._server.loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # Taken by another process, or gone again.
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                _log.error("cannot_accept", why=str(error))
                self._server.loop.remove_reader(self._listening.fileno())
                self._relief = self._server.loop.call_later(_RELIEF_S, self._go_on)
                return
            sock.setblocking(False)
            Handshake(self._server, self._certificates, sock, str(address[0])).begin()


class Handshake:
    """Agrees on TLS in a task of its own. `peer` is the other end's address."""

    def __init__(
        self, server: "ProxyServer", certificates: Certificates, sock: socket.socket, peer: str
    ) -> None:
        self.peer = peer
        self.connection = Downstream(server)
        self._server = server
        self._certificates = certificates
        self._sock = sock
        self._has_transport = False
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begin, unless this address has too many connections already."""
        if self._server.on_arrived(self):
            self._task = self._server.loop.create_task(self._agree(), name="handshake")
            self._task.add_done_callback(self._on_done)
        else:
            # There is no telling why: the answer could not be encrypted.
            self._end()

    def cut(self) -> None:
        """End at once."""
        if self._task is not None:
            self._task.cancel()

    async def _agree(self) -> None:
        self._has_transport = True  # Which closes the socket from now on.
        try:
            await self._server.loop.connect_accepted_socket(
                lambda: self.connection,
                self._sock,
                ssl=self._certificates.context,
                ssl_handshake_timeout=self._server.settings.head_timeout_s,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )
        except ssl.SSLError as error:
            _log.info("handshake_failed", why=error.reason or str(error))
        except OSError:
            return  # Gone, or too slow; of visitors like that there are many.

    def _on_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("handshake_broke", exc_info=error)
        self._end()

    def _end(self) -> None:
        if not self._has_transport:
            self._sock.close()
        self._server.on_left(self)
