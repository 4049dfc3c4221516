"""A visitor's connection: cuts what comes into requests, and hands them on one at a time.

What is read ahead of the request under way is bounded, and so is how long anything may
take. The answer is written by the `Exchange` that the request began.
"""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from proxy import problems
from proxy.certificates import asked_name
from proxy.deadlines import NEVER, Progress
from proxy.exchange import Exchange
from proxy.known import Known, known_of
from proxy.problems import Problem
from proxy.sockets import address_of, can_half_close, reset
from proxy.tunnel import GOING_AWAY, Tunnel
from proxy.wire.chunks import ChunkError
from proxy.wire.head import HeadError
from proxy.wire.reader import RequestReader

if TYPE_CHECKING:
    from proxy.server import ProxyServer

# More than this is not read while it cannot be passed on.
_READ_AHEAD_BYTES: Final = 64 * 1024
# After our last word, for the visitor to have read it: closing at once could destroy it
# (RFC 9112 section 9.6).
_LINGER_S: Final = 2.0


class Downstream(asyncio.Protocol):
    """One connection of a visitor."""

    def __init__(self, server: "ProxyServer") -> None:
        self._server = server
        self._loop = server.loop
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._reader = RequestReader(server.head_limits)
        self._known: Known | None = None
        self._deadline = self._body_deadline = self._end_deadline = NEVER
        self._progress = Progress(server.settings.write_timeout_s)
        self._is_processing = False
        self._reading_paused = False
        self._half_closed = False
        self._lingers = False
        self._tunnel: Tunnel | None = None
        self.server_name: str | None = None  # the host that TLS asked for
        self.is_writing_paused = False
        self.peer = ""  # the other end's address; stays empty over a unix socket

    # What the exchange calls.

    @property
    def is_last(self) -> bool:
        """Tell whether no other request will be taken on this connection."""
        return self._server.is_draining

    def write(self, data: bytes) -> None:
        """Send bytes of the answer."""
        if self._transport is not None:
            self._transport.write(data)

    def proceed(self) -> None:
        """Go on with what has been read, now that the exchange takes it."""
        self._deadline = self._loop.time() + self._server.settings.body_timeout_s
        self._process()

    def limit_body(self, seconds: float) -> None:
        """Give the whole upload so long from now."""
        self._body_deadline = self._loop.time() + seconds

    def discard_body(self) -> bool:
        """Throw away what has come of the upload; tell whether that was all of it."""
        exchange = self._exchange
        while exchange is not None and self._reader.buffer and not exchange.body_done:
            self._feed(exchange)
        return exchange is None or exchange.body_done

    def finish(self, *, keep_alive: bool) -> None:
        """The answer is whole: wait for the next request, or end the connection."""
        self._exchange = None
        self._body_deadline = NEVER
        if not keep_alive:
            self._end()
            return
        self._deadline = self._loop.time() + self._server.patience_s
        self._process()

    def abort(self) -> None:
        """Cut the connection, so that what was sent is not taken for the whole answer."""
        self._exchange = None
        if self._transport is not None:
            reset(self._transport)

    def hand_over(self, tunnel: Tunnel) -> None:
        """Let the tunnel have the transport, and what was read ahead."""
        transport = cast("asyncio.Transport", self._transport)
        self._hold_reading(is_held=False)
        self._exchange = self._known = None
        self._deadline = NEVER
        self._tunnel = tunnel
        tunnel.visitor.attach(transport, self)
        transport.set_protocol(tunnel.visitor)
        tunnel.visitor.data_received(self._reader.take_rest())
        if self._half_closed and not tunnel.visitor.eof_received():
            transport.close()

    def retire(self) -> None:
        """Take note that the connection that was handed over is closed."""
        self._transport = None
        self._server.on_closed(self)

    # What the server calls.

    def drain(self) -> None:
        """End after the request under way, or the one that may be on its way."""
        if self._tunnel is not None:
            self._tunnel.close(GOING_AWAY, "the gateway is going away")
        elif self._exchange is None and not self._reader.buffer:
            self._deadline = min(self._deadline, self._loop.time() + self._server.patience_s)

    def cut(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless this address has too many connections already."""
        self._transport = cast("asyncio.Transport", transport)
        self.peer = address_of(transport)
        self.server_name = asked_name(transport)
        self._deadline = self._loop.time() + self._server.settings.head_timeout_s
        if not self._server.on_opened(self):
            self._refuse(problems.TOO_MANY_CONNECTIONS)

    def data_received(self, data: bytes) -> None:
        """Read requests."""
        if not self._lingers:
            self._reader.feed(data)
            self._process()

    def eof_received(self) -> bool:
        """The visitor will send no more: answer what was asked in whole."""
        if self._exchange is None or not can_half_close(self._transport):
            return False
        self._half_closed = True
        # He may have closed altogether, which cannot be told apart: his time is short.
        self._end_deadline = self._loop.time() + self._server.settings.half_closed_timeout_s
        self._process()
        return True

    def pause_writing(self) -> None:
        """Hold the answer: the visitor reads slowly."""
        self.is_writing_paused = True
        if self._exchange is not None:
            self._exchange.on_answer_paused(is_paused=True)

    def resume_writing(self) -> None:
        """Let the answer go on."""
        self.is_writing_paused = False
        if self._exchange is not None:
            self._exchange.on_answer_paused(is_paused=False)
        self._process()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        """End what was under way."""
        self._transport = None
        exchange, self._exchange = self._exchange, None
        self._server.on_closed(self)
        if exchange is not None:
            exchange.on_visitor_left()

    def check(self, now: float) -> None:
        """End what has waited for too long; called now and then."""
        transport = self._transport
        if transport is None:
            return
        unsent = transport.get_write_buffer_size()
        if self._progress.is_stuck(unsent, now):
            transport.abort()
            return
        if self._tunnel is not None:
            self._tunnel.visitor.check(now)
            return
        exchange = self._exchange
        if exchange is not None:
            exchange.check()
        if unsent and self._lingers:
            self._deadline = now + _LINGER_S  # Our last word is still on its way.
        if now < min(self._deadline, self._body_deadline, self._end_deadline):
            return
        if exchange is not None and not self._half_closed:
            if exchange.takes_body:
                exchange.on_upload_failed(problems.TOO_SLOW)
        elif exchange is None and self._reader.buffer and not self._lingers:
            self._refuse(problems.TOO_SLOW)
        else:
            self._leave()

    # How requests are read.

    def _process(self) -> None:
        if self._is_processing:
            return
        self._is_processing = True
        while self._reader.buffer and self._transport is not None and not self._lingers:
            exchange = self._exchange
            if exchange is None:
                if self.is_writing_paused or not self._begin():
                    break
            elif exchange.takes_body:
                self._feed(exchange)
            else:
                break
        self._is_processing = False
        if self._half_closed and not self._awaits_answer():
            self._leave()
            return
        is_busy = self._exchange is not None or self.is_writing_paused
        self._hold_reading(is_held=is_busy and len(self._reader.buffer) > _READ_AHEAD_BYTES)

    def _awaits_answer(self) -> bool:
        """Tell whether what was read before the visitor's end still comes to something."""
        return self._exchange is not None and not self._exchange.takes_body

    def _begin(self) -> bool:
        """Begin the next request; False if its head is not whole yet, or was refused."""
        try:
            head = self._reader.take_head()
        except HeadError as error:
            self._refuse(problems.of_head(error), str(error))
            return False
        if head is None:
            patience_s = self._server.settings.head_timeout_s
            self._deadline = min(self._deadline, self._loop.time() + patience_s)
            return False
        self._deadline = NEVER
        known = self._known = known_of(self._known, self._server.gate, head.section)
        self._exchange = Exchange(self, head, known, self._server.gate, self.peer)
        self._server.gate.begin(self._exchange)
        return True

    def _feed(self, exchange: Exchange) -> None:
        """Give the exchange what has come of the upload."""
        self._deadline = self._loop.time() + self._server.settings.body_timeout_s
        try:
            pieces, is_whole = self._reader.take_body()
        except ChunkError as error:
            exchange.on_upload_failed(problems.BAD_REQUEST, str(error))
            return
        if pieces:  # Together: every write costs a system call, and a chunk may be one byte.
            exchange.on_upload(b"".join(pieces))
        if is_whole:
            self._deadline = self._body_deadline = NEVER
            exchange.on_upload_end(self._reader.trailers)

    def _hold_reading(self, *, is_held: bool) -> None:
        transport = self._transport
        if transport is None or is_held is self._reading_paused:
            return
        self._reading_paused = is_held
        if is_held:
            # The time that we do not read is not the visitor's.
            self._deadline = NEVER
            transport.pause_reading()
        else:
            if self._exchange is not None and not self._exchange.body_done:
                self._deadline = self._loop.time() + self._server.settings.body_timeout_s
            transport.resume_reading()

    def _refuse(self, problem: Problem, detail: str | None = None) -> None:
        """Answer what could not be read as a request, and end."""
        self.write(self._server.gate.refuse_unread(problem, detail))
        self._end()

    # How connections end.

    def _end(self) -> None:
        """Say our last word, and wait a little until the visitor has read it."""
        transport = self._transport
        if transport is None or self._lingers:
            return
        self._lingers = True
        self._reader.take_rest()
        self._deadline = self._loop.time() + _LINGER_S
        if self._half_closed or not transport.can_write_eof():
            transport.close()
        else:
            self._hold_reading(is_held=False)
            transport.write_eof()

    def _leave(self) -> None:
        """Wait no more: nobody is there, or nobody asks anything."""
        if self._transport is not None:
            self._transport.close() if self._exchange is None else self._transport.abort()
