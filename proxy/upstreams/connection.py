"""One connection to a server of an app: sends requests, reads answers, one at a time."""

import asyncio
from typing import Final, cast

from proxy.deadlines import NEVER, Deadlines
from proxy.tunnel import Leg
from proxy.upstreams.errors import UpstreamError, UpstreamTimeoutError
from proxy.upstreams.ports import Owner, Receiver
from proxy.wire.chunks import ChunkError, ChunkReader, Fields
from proxy.wire.framing import CHUNKED, UNTIL_CLOSE
from proxy.wire.head import HeadError, ResponseHead
from proxy.wire.parser import END, read_response

# Of an answer's head, whatever its lines; apps are less hostile than strangers, and no less odd.
_HEAD_LIMIT_BYTES: Final = 256 * 1024
# An app that sends more interim answers than this for one request is broken.
_INTERIM_LIMIT: Final = 1024
# Whoever wanted the connection may have left while it was being opened.
_UNUSED_S: Final = 5.0
_SWITCHING_PROTOCOLS: Final = 101


class UpstreamConnection(asyncio.Protocol):
    """An HTTP/1.1 connection to an app."""

    def __init__(self, owner: Owner, deadlines: Deadlines) -> None:
        self._owner = owner
        self._deadlines = deadlines
        self._deadline = NEVER
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._leg: Leg | None = None  # of a tunnel, once the transport is its own
        self._buffer = b""
        self._head: ResponseHead | None = None
        self._chunks: ChunkReader | None = None
        self._left = 0
        self._interim = 0
        self._is_head = False
        self._first_byte_s = 0.0
        self._idle_s = 0.0
        self._upload_done = True
        self._is_last = False
        self._answer_began = False
        self._reading_paused = False
        self.is_reused = False
        self.is_writing_paused = False

    # What the receiver calls.

    def begin(
        self,
        receiver: Receiver,
        head: bytes,
        *,
        is_head: bool,
        has_body: bool,
        first_byte_s: float,
        idle_s: float,
    ) -> None:
        """Send a request's head for the receiver; a body follows through `write`."""
        self._receiver = receiver
        self._is_head = is_head
        self._upload_done = not has_body
        self._first_byte_s = first_byte_s
        self._idle_s = idle_s
        self._answer_began = False
        self._interim = 0
        self.write(head)
        self._time_answer()

    def write(self, data: bytes) -> None:
        """Send bytes of the request."""
        if self._transport is not None:
            self._transport.write(data)

    def park(self, idle_s: float) -> None:
        """Wait for the next request, for so many seconds."""
        self._deadline = self._loop.time() + idle_s

    @property
    def is_open(self) -> bool:
        """Tell whether a request can be sent; an app may have closed while we were idle."""
        return self._transport is not None and not self._transport.is_closing()

    def end_upload(self, *, is_last: bool) -> None:
        """Say that the request is whole; after the last one the connection is not used again."""
        self._upload_done = True
        self._is_last = is_last
        self._time_answer()

    def pause_reading(self, *, is_paused: bool) -> None:
        """Read no more of the answer for now, or go on; the app's time does not run meanwhile."""
        if self._transport is None or is_paused is self._reading_paused:
            return
        self._reading_paused = is_paused
        if is_paused:
            self._deadline = NEVER
            self._transport.pause_reading()
        else:
            self._deadline = self._loop.time() + self._idle_s
            self._time_answer()
            self._transport.resume_reading()

    def hand_over(self, leg: Leg) -> None:
        """Let a tunnel have the transport, after a switch of protocols."""
        transport = cast("asyncio.Transport", self._transport)
        self._receiver = None
        self._deadline = NEVER
        self._leg = leg
        leg.attach(transport, self)
        transport.set_protocol(leg)
        self._owner.on_handed_over(self)

    def retire(self) -> None:
        """Take note that a connection that was handed over is closed."""
        self.connection_lost(None)

    def close(self) -> None:
        """Break off; the receiver hears nothing more."""
        self._receiver = None
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._deadlines.add(self)
        self._owner.on_opened(self)
        self.park(_UNUSED_S)

    def pause_writing(self) -> None:
        """Hold the upload: the app reads slowly."""
        self.is_writing_paused = True
        self._time_answer()
        if self._receiver is not None:
            self._receiver.on_upload_paused(is_paused=True)

    def resume_writing(self) -> None:
        """Let the upload go on."""
        self.is_writing_paused = False
        self._time_answer()
        if self._receiver is not None:
            self._receiver.on_upload_paused(is_paused=False)

    def data_received(self, data: bytes) -> None:
        """Read the answer."""
        receiver = self._receiver
        if receiver is None:
            # Nobody asked: what this is cannot be known, and must not become an answer.
            self.close()
            return
        self._answer_began = True
        try:
            if self._head is None:
                data = self._read_heads(receiver, data)
            # The receiver may have broken off.
            if self._head is not None and self._receiver is receiver:
                self._read_body(receiver, self._head, data)
        except (HeadError, ChunkError) as error:
            self._fail(UpstreamError(str(error)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._transport = None
        self._deadlines.discard(self)
        self._owner.on_closed(self)
        if self._receiver is None:
            return
        if self._head is not None and self._head.framing == UNTIL_CLOSE and exc is None:
            self._finish(self._receiver, (), is_reusable=False)
        elif self._head is None and not self._answer_began:
            self._fail(UpstreamError("the app closed the connection before it answered"))
        else:
            self._fail(UpstreamError("the app broke off its answer"))

    @property
    def is_untouched(self) -> bool:
        """Tell whether not a byte of an answer has come to the request under way."""
        return not self._answer_began

    def check(self, now: float) -> None:
        """End what has waited for too long; called now and then."""
        if self._leg is not None:
            self._leg.check(now)
            return
        if now < self._deadline:
            return
        if self._receiver is None:
            self.close()
        elif self._head is None:
            self._fail(UpstreamTimeoutError("the app did not answer in time"))
        else:
            self._fail(UpstreamTimeoutError("the app fell silent within its answer"))

    def _time_answer(self) -> None:
        """Give the app its time to answer while that is its turn.

        What is missing of an upload that the app would take is the visitor's turn: his
        slowness must not be held against the app, or strangers could have it shut out.
        """
        if self._receiver is None or self._head is not None:
            return
        is_due = self._upload_done or self.is_writing_paused
        self._deadline = self._loop.time() + self._first_byte_s if is_due else NEVER

    # How answers are read.

    def _read_heads(self, receiver: Receiver, data: bytes) -> bytes:
        """Read the head, and interim ones before it; return what follows it."""
        if self._buffer:
            data = self._buffer + data
        while self._receiver is receiver:
            end = data.find(END) + len(END)
            if end < len(END):
                if len(data) > _HEAD_LIMIT_BYTES:
                    raise HeadError("head too long")
                if not b"HTTP/1.".startswith(data[:7]) or data.count(b"\n") != data.count(b"\r\n"):
                    raise HeadError("this is not HTTP/1.1, or breaks its grammar")
                self._buffer = data
                return b""
            head = read_response(data[:end], is_head=self._is_head, field_limit=_HEAD_LIMIT_BYTES)
            data = data[end:]
            if head.status >= 200:
                self._buffer = b""
                self._begin_body(receiver, head)
                return data
            if head.status == _SWITCHING_PROTOCOLS:
                self._buffer = b""
                receiver.on_switch(head, data)
                return b""
            self._interim += 1
            if self._interim > _INTERIM_LIMIT:
                raise HeadError("too many interim answers")
            receiver.on_interim(head)
        return b""  # The receiver has broken off.

    def _begin_body(self, receiver: Receiver, head: ResponseHead) -> None:
        self._head = head
        self._left = head.framing
        self._chunks = ChunkReader() if head.framing == CHUNKED else None
        receiver.on_head(head)

    def _read_body(self, receiver: Receiver, head: ResponseHead, data: bytes) -> None:
        if not self._reading_paused:
            self._deadline = self._loop.time() + self._idle_s
        rest, is_whole = b"", False
        trailers: Fields = ()
        if self._chunks is not None:
            pieces, rest = self._chunks.feed(data)
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            trailers, is_whole = self._chunks.trailers, self._chunks.is_done
        elif head.framing != UNTIL_CLOSE:
            if len(data) > self._left:
                # What follows a body's end is nobody's answer.
                data, rest = data[: self._left], data[self._left :]
            self._left -= len(data)
            is_whole = not self._left
        if data:
            receiver.on_body(data)
        if self._receiver is not receiver:
            return
        if is_whole:
            self._finish(receiver, trailers, is_reusable=not rest and head.keep_alive)
        else:
            receiver.on_read()

    def _finish(self, receiver: Receiver, trailers: Fields, *, is_reusable: bool) -> None:
        self._receiver = None
        self._head = None
        self._chunks = None
        # Whether it is still open is looked at when it is taken for the next request.
        if is_reusable and self._upload_done and not self._is_last and self._transport is not None:
            if self._reading_paused:
                self.pause_reading(is_paused=False)
            self.is_reused = True
            self._owner.on_idle(self)
        else:
            self.close()
        receiver.on_end(trailers)

    def _fail(self, error: UpstreamError) -> None:
        receiver = self._receiver
        self.close()
        if receiver is not None:
            receiver.on_failure(error)
