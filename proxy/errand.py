"""One request's way to an app: a server is chosen, a connection taken, the request sent."""

from collections.abc import Coroutine
from typing import Any, Final, Protocol

from proxy.parties import Outgoing
from proxy.upstreams.connection import UpstreamConnection
from proxy.upstreams.errors import UpstreamBusyError, UpstreamError, UpstreamTimeoutError
from proxy.upstreams.ports import Receiver
from proxy.upstreams.server import Server
from proxy.upstreams.upstream import Upstream
from proxy.wire.framing import CHUNKED
from proxy.wire.head import RequestHead

# May be sent once more when it is not known whether they arrived (RFC 9110 section 9.2.2);
# without PUT and DELETE, whose repetition may undo what others did in between.
_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# Servers may wait for a body of these unless they are told that there is none (8.6).
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


class Sender(Receiver, Protocol):
    """Who sends the request and takes the answer; `exchange.Exchange`."""

    def wait_for(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Leave the fast lane."""
        ...

    def on_sent(self, *, is_paused: bool) -> None:
        """Take note that the head is on its way, and the body may follow."""
        ...

    def on_unreachable(self, error: UpstreamError) -> None:
        """Take note that nobody takes the request."""
        ...


class Errand:
    """`body` is the request's where it was collected; otherwise the sender writes it."""

    __slots__ = (
        "_body",
        "_is_elsewhere",
        "_request",
        "_sender",
        "_server",
        "_upstream",
        "connection",
        "outgoing",
    )

    def __init__(
        self,
        sender: Sender,
        upstream: Upstream,
        request: RequestHead,
        outgoing: Outgoing,
        body: bytes | None,
    ) -> None:
        self.outgoing = outgoing
        self.connection: UpstreamConnection | None = None
        self._sender = sender
        self._upstream = upstream
        self._request = request
        self._body = body
        self._server: Server | None = None
        self._is_elsewhere = False

    def begin(self) -> None:
        """Send the request: at once if a connection waits for it, otherwise when there is one."""
        server = self._upstream.choose()
        if server is None:
            self._sender.on_unreachable(UpstreamBusyError("no server of the app is well"))
            return
        connection = self._upstream.take(server)
        if connection is None:
            self._sender.wait_for(self._connect(server))
        else:
            self._send(server, connection)

    def note_answer(self) -> None:
        """Take note that the server answers."""
        server = self._server
        if server is not None and not server.is_sound:
            server.note_success()

    def repeat(self, error: UpstreamError) -> bool:
        """Try again if that can harm nobody and is likely to help.

        The app may have closed an idle connection: a new one to the same server is the cure.
        After that, or at once, another server may be: once, so that a request which makes
        servers fall over does not visit all of them.
        """
        connection, server = self.connection, self._server
        self.connection = None
        if connection is None or server is None:
            return False
        may_repeat = (
            connection.is_untouched
            and not isinstance(error, UpstreamTimeoutError)
            and self._request.framing == 0
            and self._request.method in _REPEATABLE
        )
        if may_repeat and connection.is_reused:
            self._sender.wait_for(self._connect(server, is_anew=True))
            return True
        server.note_failure()
        other = self._upstream.find_other(server) if may_repeat and not self._is_elsewhere else None
        if other is None:
            return False
        self._is_elsewhere = True
        self._sender.wait_for(self._connect(other, is_anew=True))
        return True

    def break_off(self) -> None:
        """Let go of the app."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    async def _connect(self, server: Server, *, is_anew: bool = False) -> None:
        connect = self._upstream.connect_anew if is_anew else self._upstream.connect
        try:
            server, connection = await connect(server, self.outgoing.terms.timeouts.connect_s)
        except UpstreamError as error:
            self._sender.on_unreachable(error)
            return
        self._send(server, connection)

    def _send(self, server: Server, connection: UpstreamConnection) -> None:
        self._server = server
        self.connection = connection
        method, timeouts = self._request.method, self.outgoing.terms.timeouts
        framing = self._request.framing if self._body is None else len(self._body)
        head = self.outgoing.head
        if framing == CHUNKED:
            head += b"Transfer-Encoding: chunked\r\n\r\n"
        elif framing or method in _WITH_BODY:
            head += b"Content-Length: %d\r\n\r\n" % framing
        else:
            head += b"\r\n"
        has_body = framing != 0 and self._body is None
        connection.begin(
            self._sender,
            head + self._body if self._body else head,
            is_head=method == "HEAD",
            has_body=has_body,
            first_byte_s=timeouts.first_byte_s,
            idle_s=timeouts.idle_s,
        )
        if has_body:
            self._sender.on_sent(is_paused=connection.is_writing_paused)
