"""WebSockets: after the app's 101 the frames of both sides pass through untouched.

What the two negotiated (compression, subprotocol) stays between them. A reader on each way
follows the frames' boundaries, so that frames which RFC 6455 forbids are refused and a
close frame of our own can be put between two of theirs.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final, Protocol

from proxy.deadlines import NEVER
from proxy.sockets import find_out_if_gone
from proxy.wire.frames import FrameError, FrameReader, close_frame, ping_frame

GOING_AWAY: Final = 1001
INTERNAL_ERROR: Final = 1011
# For the other side to answer a close frame with its own (RFC 6455 section 7.1.1), and then
# once more for it to close the connection.
_CLOSING_S: Final = 3.0


class Handed(Protocol):
    """A connection whose transport was handed over to us; it calls `check` of its leg."""

    def retire(self) -> None:
        """Take note that the connection is closed."""
        ...


class Leg(asyncio.Protocol):
    """One side of a tunnel, with what is read from it and written to it.

    `is_deaf`: it has said its last, or something forbidden, and is listened to no more.
    `is_told`: a close frame has gone to it, and nothing goes to it after that.
    """

    __slots__ = (
        "_handed",
        "_has_ended",
        "_has_eof",
        "_held",
        "_is_app",
        "_is_last_one_out",
        "_remark",
        "_tunnel",
        "_unsent",
        "_word",
        "frames",
        "is_deaf",
        "is_told",
        "other",
        "transport",
    )

    def __init__(self, tunnel: "Tunnel", frames: FrameReader, *, is_app: bool) -> None:
        self._tunnel = tunnel
        self._is_app = is_app
        self._handed: Handed | None = None
        self._held = b""  # the beginning of a frame of which too little has come
        self._word: tuple[int, str] | None = None  # a close frame of ours that waits for its turn
        self._remark = b""  # a ping of ours that waits likewise
        self._is_last_one_out = self._has_ended = self._has_eof = False
        self._unsent = math.inf
        self.frames = frames
        self.transport: asyncio.Transport | None = None
        self.other: Leg
        self.is_deaf = False
        self.is_told = False

    def attach(self, transport: asyncio.Transport, handed: Handed) -> None:
        """Begin to write to `transport`."""
        self.transport = transport
        self._handed = handed
        find_out_if_gone(transport)

    # What the event loop and the connection call.

    def data_received(self, data: bytes) -> None:
        """Pass frames on, as far as they are good."""
        if self.is_deaf:
            return
        if self._held:
            data = self._held + data
        try:
            good = self.frames.feed(data)
        except FrameError as error:
            self.is_deaf = True
            self._held = b""
            self.other.write(data[: error.valid])
            self._tunnel.refuse(self, error)
            return
        self._held = data[good:]
        self.other.take(data, good, self.frames)
        if self.frames.is_closed:
            self.is_deaf = True
            self._held = b""
            self._tunnel.settle()

    def eof_received(self) -> bool:
        """Tell whether it may still be written to: whoever has closed may wait for the answer."""
        self._has_eof = True
        if self.transport is None or not self.frames.is_closed or self.is_told:
            return False
        self._tunnel.on_half_closed(self)
        # Over TLS there is no half of a connection to keep.
        return self.transport.can_write_eof()

    def pause_writing(self) -> None:
        """Read no more from the other side: this one is slow."""
        if self.other.transport is not None and not self.is_told:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the other side go on."""
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        """Tell the other side."""
        self.transport = None
        if self._handed is not None:
            self._handed.retire()
        self._tunnel.on_lost(self)

    def check(self, now: float) -> None:
        """Cut what does not close; called now and then."""
        self._tunnel.check(now)

    # What the tunnel calls.

    def take(self, data: bytes, good: int, frames: FrameReader) -> None:
        """Pass on what has come from the other side; a word of ours that waits goes in its turn."""
        if self._word is None:
            self.write(self._join(data, good, frames) if self._remark else data[:good])
        elif self._is_last_one_out:
            self.write(data[: frames.close_at if frames.is_closed else good])
            if frames.is_closed:
                self.tell(*self._word)
        elif frames.boundary < 0:
            self.write(data[:good])
        else:
            self.write(data[: frames.boundary])
            if not frames.is_closed:
                self.tell(*self._word)
        if frames.is_closed:
            self._note_told()

    def _join(self, data: bytes, good: int, frames: FrameReader) -> bytes:
        """Put a ping of ours behind the frame that has come to its end, if one has."""
        at = frames.boundary
        if at < 0 or frames.is_closed:
            return data[:good]
        remark, self._remark = self._remark, b""
        return data[:at] + remark + data[at:good]

    def remark(self, words: str) -> None:
        """Tell this side something by a ping, behind the frame that is on its way to it."""
        ping = ping_frame(words, mask=self._is_app)
        if self.other.frames.at_boundary:
            self.write(ping)
        else:
            self._remark = ping

    def write(self, data: bytes) -> None:
        """Send bytes to this side, unless it has had its last."""
        if self.transport is not None and not self.is_told and data:
            self.transport.write(data)

    def tell(self, code: int, reason: str) -> None:
        """Send a close frame of our own to this side, or the one that waits already."""
        self.write(close_frame(*(self._word or (code, reason)), mask=self._is_app))
        self._note_told()

    def tell_in_turn(self, code: int, reason: str) -> None:
        """Send a close frame of our own, behind the frame that is on its way to this side."""
        if self.other.frames.at_boundary:
            self.tell(code, reason)
        else:
            self._word, self._is_last_one_out = (code, reason), False

    def tell_last(self, code: int, reason: str) -> None:
        """Send a close frame of our own in the place of the other side's, when that comes."""
        self._word, self._is_last_one_out = (code, reason), True

    def end_writing(self) -> None:
        """Say that nothing more comes, and go on listening; over TLS that cannot be said."""
        transport = self.transport
        if transport is not None and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()

    def end(self) -> None:
        """Say that nothing more comes; what this side still says is read and thrown away.

        Closing at once could destroy our last word on its way (RFC 9112 section 9.6).
        """
        transport = self.transport
        if transport is None or self._has_ended:
            return
        self._has_ended = True
        self.is_deaf = True
        if transport.is_closing():
            return
        if self._has_eof or not transport.can_write_eof():
            transport.close()
        else:
            transport.resume_reading()
            self.end_writing()

    def give_up(self) -> None:
        """End if that was not done yet; otherwise cut, unless our last is still being taken in."""
        transport = self.transport
        if transport is None:
            return
        unsent = transport.get_write_buffer_size()
        if not self._has_ended:
            if self.other.frames.at_boundary:
                self.tell(GOING_AWAY, "")
            self.end()
        elif not 0 < unsent < self._unsent:
            transport.abort()
        self._unsent = unsent or math.inf

    def _note_told(self) -> None:
        self.is_told = True
        # What the other side says goes nowhere now; only its end is waited for.
        if self.other.transport is not None:
            self.other.transport.resume_reading()


class Tunnel:
    """Both sides of an open WebSocket."""

    __slots__ = ("_deadline", "_loop", "_on_end", "app", "visitor")

    def __init__(self, rsv: int, on_end: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._deadline = NEVER
        self.visitor = Leg(self, FrameReader(from_visitor=True, rsv=rsv), is_app=False)
        self.app = Leg(self, FrameReader(from_visitor=False, rsv=rsv), is_app=True)
        self.visitor.other, self.app.other = self.app, self.visitor

    def close(self, code: int, reason: str = "") -> None:
        """Close both sides with a frame of our own, as soon as none of theirs is in the way."""
        for leg in (self.visitor, self.app):
            leg.tell_in_turn(code, reason)
        self._hurry()

    def remark(self, words: str) -> None:
        """Tell both sides something by a ping; neither has to understand it."""
        for leg in (self.visitor, self.app):
            leg.remark(words)

    def refuse(self, bad: Leg, error: FrameError) -> None:
        """Close because of what one side sent; what the other has still to say, it hears."""
        good = bad.other
        good.tell(error.code, error.why)
        if good.is_deaf:
            bad.tell(error.code, error.why)
            self.settle()
        else:
            bad.tell_last(error.code, error.why)
        self._hurry()

    def settle(self) -> None:
        """End the sides that have said their last and heard ours."""
        for leg in (self.visitor, self.app):
            if leg.is_deaf and leg.is_told:
                leg.end()
                self._hurry()

    def check(self, now: float) -> None:
        """Cut what does not close; called now and then, for each side that is there."""
        if now < self._deadline:
            return
        self._deadline = now + _CLOSING_S
        for leg in (self.visitor, self.app):
            leg.give_up()

    def on_half_closed(self, leg: Leg) -> None:
        """Pass the end of a side on that has closed, and hears what the other one answers."""
        leg.other.end_writing()
        self._hurry()

    def on_lost(self, leg: Leg) -> None:
        """End the other side too, with a close frame unless that would stand within a frame."""
        other = leg.other
        if other.transport is None:
            self._on_end()
            return
        if leg.frames.at_boundary:
            other.tell(INTERNAL_ERROR if leg is self.app else GOING_AWAY, "")
        other.end()
        self._hurry()

    def _hurry(self) -> None:
        self._deadline = min(self._deadline, self._loop.time() + _CLOSING_S)
