"""The answer's way to the visitor: an app's, framed anew, or one of our own."""

from http import HTTPStatus
from typing import Final

from proxy.answer import Answer, render
from proxy.parties import Outgoing, Terms, Visitor
from proxy.wire.chunks import Fields, write_chunk, write_last
from proxy.wire.events import EventReader
from proxy.wire.fields import strip_response, strip_trailers
from proxy.wire.head import RequestHead, ResponseHead

_CLOSE: Final = b"Connection: close\r\n"
_KEEP_ALIVE: Final = b"Connection: keep-alive\r\n"
_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
_SWITCH: Final = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


class Relay:
    """Writes one answer. `closes` tells whether the connection ends with it.

    `is_over` tells that a stream of events was to stop, and has come to an event's end.
    What is read of an app at once is written at once: `flush` sends what has come together,
    for every write costs a system call.
    """

    __slots__ = (
        "_events",
        "_held",
        "_is_chunked",
        "_remark",
        "_request",
        "_stops",
        "_visitor",
        "closes",
        "is_over",
    )

    def __init__(self, visitor: Visitor, request: RequestHead) -> None:
        self._visitor = visitor
        self._request = request
        self._is_chunked = False
        self._held: list[bytes] = []
        self._events: EventReader | None = None
        self._remark = b""  # an event of ours that waits for its turn
        self._stops = False
        self.is_over = False
        # Frames of a visitor who takes a declined WebSocket for open could be taken for requests.
        self.closes = request.wants_websocket or not request.section.keep_alive

    def say(self, answer: Answer) -> None:
        """Send an answer of our own, whole."""
        self._visitor.write(
            render(answer, is_head=self._request.method == "HEAD", connection=self._connection())
        )

    def interim(self, head: ResponseHead, own_cookies: frozenset[bytes]) -> None:
        """Pass an interim answer on to who understands it (RFC 9110 section 15.2)."""
        if self._request.is_http_10 or (
            head.status == 100 and self._request.section.expects is None
        ):
            return
        lines = strip_response(head.fields, head.named, own_cookies=own_cookies, is_private=False)
        self._visitor.write(b"%b%b\r\n" % (_status_line(head), b"".join(lines)))

    def head(self, head: ResponseHead, outgoing: Outgoing) -> None:
        """Take the answer's head, and frame it anew."""
        if head.framing < 0:
            if self._request.is_http_10:
                self.closes = True
            else:
                self._is_chunked = True
        if head.has_events:
            self._events = EventReader()
        lines = _lines_of(head, outgoing.terms)
        framing = _CHUNKED if self._is_chunked else b""
        self._held = [lines, framing, outgoing.added, self._connection(), b"\r\n"]

    def switch(self, head: ResponseHead, outgoing: Outgoing) -> None:
        """Pass the agreement to a WebSocket on."""
        lines = strip_response(
            head.fields, head.named, own_cookies=outgoing.terms.own_cookies, is_private=False
        )
        self._visitor.write(
            b"%b%b%b%b\r\n" % (_status_line(head), b"".join(lines), outgoing.added, _SWITCH)
        )

    def body(self, data: bytes) -> None:
        """Take some of the answer's body."""
        if self._events is not None:
            data = self._follow(self._events, data)
        self._held.append(write_chunk(data) if self._is_chunked else data)

    def stop(self) -> bool:
        """Take events no further than to the end of the one under way; False if there are none."""
        if self._events is None:
            return False
        self._stops = True
        self.is_over = self._events.at_boundary
        return True

    def remark(self, event: bytes) -> None:
        """Put an event of our own between two of the app's; nothing where there are none."""
        if self._events is None:
            return
        if self._events.at_boundary:
            self._held.append(write_chunk(event) if self._is_chunked else event)
            self.flush()
        else:
            self._remark = event

    def _follow(self, events: EventReader, data: bytes) -> bytes:
        if self._stops:
            end = events.find_end(data)
            if end >= 0:
                data = data[:end]
                self.is_over = True
        elif self._remark:
            end = events.find_end(data)
            if end >= 0:
                data = data[:end] + self._remark + data[end:]
                self._remark = b""
        events.feed(data)
        return data

    def end(self, trailers: Fields) -> None:
        """Pass the end of the answer on."""
        if self._is_chunked:
            self._held.append(write_last(strip_trailers(trailers)))
        self.flush()

    def flush(self) -> None:
        """Send what was taken."""
        held, self._held = self._held, []
        if held:
            self._visitor.write(b"".join(held))

    def _connection(self) -> bytes:
        if self.closes:
            return _CLOSE
        return _KEEP_ALIVE if self._request.is_http_10 else b""


def _lines_of(head: ResponseHead, terms: Terms) -> bytes:
    """Return the status line and the fields that go on, without what frames a chunked body."""
    kept = head.kept
    if kept is not None and kept[0] is terms:
        return kept[1]
    lines = strip_response(
        head.fields, head.named, own_cookies=terms.own_cookies, is_private=terms.is_private
    )
    if head.framing >= 0 and head.length is not None and head.status != 204:
        lines.append(b"Content-Length: %b\r\n" % head.length)
    text = _status_line(head) + b"".join(lines)
    head.kept = (terms, text)
    return text


def _status_line(head: ResponseHead) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason or _phrase(head.status))


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
