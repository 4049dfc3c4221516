"""WebSockets: after the app's 101 the frames of both sides pass through untouched.

What the two negotiated (compression, subprotocol) stays between them. A reader on each way
follows the frames' boundaries, so that frames which RFC 6455 forbids are refused and a
close frame of our own can be put between two of theirs.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from proxy.deadlines import NEVER
from proxy.wire.frames import FrameError, FrameReader, close_frame

GOING_AWAY: Final = 1001
INTERNAL_ERROR: Final = 1011
# For the other side to answer a close frame with its own (RFC 6455 section 7.1.1).
_CLOSING_S: Final = 3.0


class Handed(Protocol):
    """A connection whose transport was handed over to us."""

    def retire(self) -> None:
        """Take note that the connection is closed."""
        ...


class Leg(asyncio.Protocol):
    """One side of a tunnel. `frames` reads what comes from it, `is_told` that it goes no on."""

    __slots__ = (
        "_handed",
        "_held",
        "_is_app",
        "_tunnel",
        "frames",
        "is_told",
        "other",
        "transport",
    )

    def __init__(self, tunnel: "Tunnel", frames: FrameReader, *, is_app: bool) -> None:
        self._tunnel = tunnel
        self._is_app = is_app
        self._handed: Handed | None = None
        self._held = b""  # the beginning of a frame of which too little has come
        self.frames = frames
        self.transport: asyncio.Transport | None = None
        self.other: Leg
        self.is_told = False

    def attach(self, transport: asyncio.Transport, handed: Handed) -> None:
        """Begin to write to `transport`."""
        self.transport = transport
        self._handed = handed

    def data_received(self, data: bytes) -> None:
        """Pass frames on, as far as they are good."""
        if self._held:
            data = self._held + data
        try:
            good = self.frames.feed(data)
        except FrameError as error:
            self._held = b""
            self.other.write(data[: error.valid])
            self._tunnel.close(error.code, error.why)
            return
        self._held = data[good:]
        if self._tunnel.is_closing and self.frames.boundary >= 0:
            # Our own close frame has waited for the end of theirs.
            self.other.write(data[: self.frames.boundary])
            self.other.tell(*self._tunnel.why)
        else:
            self.other.write(data[:good])

    def write(self, data: bytes) -> None:
        """Send bytes to this side, unless it has had its last."""
        if self.transport is not None and not self.is_told and data:
            self.transport.write(data)

    def tell(self, code: int, reason: str) -> None:
        """Send a close frame of our own to this side; nothing goes to it after that."""
        if not self.other.frames.is_closed:
            self.write(close_frame(code, reason, mask=self._is_app))
        self.is_told = True

    def pause_writing(self) -> None:
        """Read no more from the other side: this one is slow."""
        if self.other.transport is not None:
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


class Tunnel:
    """Both sides of an open WebSocket."""

    __slots__ = ("_deadline", "_loop", "_on_end", "app", "is_closing", "visitor", "why")

    def __init__(self, rsv: int, on_end: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._deadline = NEVER
        self.is_closing = False
        self.why = (GOING_AWAY, "")
        self.visitor = Leg(self, FrameReader(from_visitor=True, rsv=rsv), is_app=False)
        self.app = Leg(self, FrameReader(from_visitor=False, rsv=rsv), is_app=True)
        self.visitor.other, self.app.other = self.app, self.visitor

    def close(self, code: int, reason: str = "") -> None:
        """Close both sides with a frame of our own, as soon as none of theirs is in the way."""
        if self.is_closing:
            return
        self.is_closing = True
        self.why = (code, reason)
        self._deadline = self._loop.time() + _CLOSING_S
        for leg in (self.visitor, self.app):
            if leg.other.frames.at_boundary:
                leg.tell(code, reason)

    def check(self, now: float) -> None:
        """Cut what does not close; called now and then."""
        if now < self._deadline:
            return
        for leg in (self.visitor, self.app):
            if leg.transport is not None:
                leg.transport.abort()

    def on_lost(self, leg: Leg) -> None:
        """End the other side, which may still have a close frame to answer."""
        other = leg.other
        if other.transport is None:
            self._on_end()
            return
        if leg.frames.is_closed or not leg.frames.at_boundary:
            other.transport.close()
            return
        self._deadline = self._loop.time() + _CLOSING_S
        other.tell(INTERNAL_ERROR if leg is self.app else GOING_AWAY, "")
        if other.frames.is_closed:
            other.transport.close()
