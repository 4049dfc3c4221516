"""The heads of messages as values; `parser` makes them."""

from dataclasses import dataclass
from typing import Final

from multidict import CIMultiDictProxy

from proxy.wire.chunks import Fields
from proxy.wire.fields import (
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    INVALID,
    REQUEST,
    RESPONSE,
    TRANSFER_ENCODING,
    UPGRADE,
    connection_tokens,
)
from proxy.wire.framing import frame_request, frame_response

_NO_TOKENS: Final[frozenset[bytes]] = frozenset()


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """What a request's head may be, in bytes; `count` is of fields."""

    head: int
    url: int
    field: int
    count: int


class HeadError(Exception):
    """The head is no head of HTTP/1.x; the message goes to its sender."""


class HeadTooLargeError(HeadError):
    """The head has too many fields, or too long ones."""


class TargetTooLongError(HeadError):
    """The request's target is longer than what is taken."""


class HeaderSection:
    """The header fields of a request, and what they say of the message itself.

    `raw` is everything behind the request line, `fields` are as they came, `headers` are the
    same to look things up in. `hosts` are the values of `Host`, `named` the lower-case
    tokens of `Connection`, `expects` is the value of `Expect`.
    """

    __slots__ = (
        "asks_websocket",
        "expects",
        "fields",
        "framing",
        "headers",
        "hosts",
        "keep_alive",
        "named",
        "raw",
    )

    def __init__(
        self, raw: bytes, fields: Fields, headers: CIMultiDictProxy[str], *, is_http_10: bool
    ) -> None:
        self.raw = raw
        self.fields = fields
        self.headers = headers
        self.hosts = tuple(headers.getall("Host", ()))
        lengths: list[bytes] = []
        encodings: list[bytes] = []
        upgrades = _NO_TOKENS
        self.named = _NO_TOKENS
        self.expects: bytes | None = None
        for name, value in fields:
            kind = REQUEST[name]
            if kind < CONTENT_LENGTH:
                continue
            if kind == CONTENT_LENGTH:
                lengths.append(value)
            elif kind == TRANSFER_ENCODING:
                encodings.append(value)
            elif kind == CONNECTION:
                self.named |= connection_tokens(value)
            elif kind == UPGRADE:
                upgrades |= connection_tokens(value)
            elif kind == EXPECT and not is_http_10:
                # Several lines are one list (RFC 9110 section 5.3); the last alone would decide
                # on less than what an app sees.
                self.expects = value if self.expects is None else self.expects + b", " + value
        self.framing = frame_request(lengths, encodings, is_http_10=is_http_10)
        # RFC 6455 section 4.1; a WebSocket's handshake has no body.
        self.asks_websocket = (
            b"websocket" in upgrades
            and b"upgrade" in self.named
            and not is_http_10
            and self.framing == 0
        )
        self.keep_alive = _keeps_alive(self.named, is_http_10=is_http_10)


class RequestHead:
    """A request's head."""

    __slots__ = ("framing", "is_http_10", "method", "section", "target", "wants_websocket")

    def __init__(
        self, method: str, target: str, section: HeaderSection, *, is_http_10: bool
    ) -> None:
        self.method = method
        self.target = target
        self.section = section
        self.framing = section.framing
        self.is_http_10 = is_http_10
        self.wants_websocket = section.asks_websocket and method == "GET"

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The fields, to look things up in."""
        return self.section.headers


class ResponseHead:
    """An answer's head; `framing` is of its body, `length` what its Content-Length says.

    `has_events` tells that the body is a stream of server-sent events which can be followed.
    Answers that repeat to the byte share one: what it says is never changed once it is made.
    """

    __slots__ = (
        "fields",
        "framing",
        "has_events",
        "is_http_10",
        "keep_alive",
        "kept",
        "length",
        "named",
        "reason",
        "status",
        "upgrade",
    )

    def __init__(
        self, status: int, reason: bytes, fields: Fields, *, is_http_10: bool, is_head: bool
    ) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.is_http_10 = is_http_10
        lengths: list[bytes] = []
        encodings: list[bytes] = []
        self.named = _NO_TOKENS
        self.upgrade = b""
        for name, value in fields:
            kind = RESPONSE[name]
            if kind < INVALID:
                continue
            if kind == CONTENT_LENGTH:
                lengths.append(value)
            elif kind == TRANSFER_ENCODING:
                encodings.append(value)
            elif kind == CONNECTION:
                self.named |= connection_tokens(value)
            elif kind == UPGRADE:
                self.upgrade = value.lower()
            elif kind == INVALID:
                raise HeadError("bad name of a header field")
        self.framing = frame_response(
            lengths, encodings, status=status, is_head=is_head, is_http_10=is_http_10
        )
        self.length = lengths[0] if lengths else None
        self.has_events = self.framing < 0 and _is_event_stream(fields)
        self.kept: tuple[object, bytes] | None = None
        """What its relay made of it the last time, for the next answer with this head."""
        self.keep_alive = _keeps_alive(self.named, is_http_10=is_http_10)


def _is_event_stream(fields: Fields) -> bool:
    """Tell whether the fields announce events, in clear: of coded ones nobody sees the ends."""
    told = {name.lower(): value for name, value in fields}
    kind = told.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return kind == b"text/event-stream" and b"content-encoding" not in told


def _keeps_alive(named: frozenset[bytes], *, is_http_10: bool) -> bool:
    if b"close" in named:
        return False
    return not is_http_10 or b"keep-alive" in named
