"""Heads of messages, read by aiohttp's C parser (llhttp), each by a parser of its own.

A head is cut out at its empty line and parsed alone, so that nothing that one message does
to a parser's state can colour the next. Bodies never enter the parser: `framing` tells how
long they are.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeVar

from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpRequestParser, HttpResponseParser
from aiohttp.http_writer import HttpVersion
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
from proxy.wire.framing import FramingError, frame_request, frame_response

END: Final = b"\r\n\r\n"
# Nothing is ever read through the parser's own body buffer.
_UNUSED_BUFFER_BYTES: Final = 65_536
_CONTROLS: Final = bytes([*range(9), 11, 12, *range(14, 32), 127])
# Of an app's answer; the largest seen in the wild have some hundred.
_FIELDS_LIMIT: Final = 1000
_NO_TOKENS: Final[frozenset[bytes]] = frozenset()
# Every request begins so; what does not (TLS, a binary protocol) is refused at its first byte.
_BEGINNING = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}(?: |\Z)")


_Message = TypeVar("_Message")


class HeadError(Exception):
    """The head is no head of HTTP/1.x; the message goes to its sender."""


class HeadTooLargeError(HeadError):
    """The head has too many fields, or too long ones."""


class TargetTooLongError(HeadError):
    """The request's target is longer than what is taken."""


class RequestHead:
    """A request's head. `fields` are as they came; `headers` are the same to look things up in.

    `named` are the lower-case tokens of `Connection`, `expects` is the value of `Expect`.
    """

    __slots__ = (
        "expects",
        "fields",
        "framing",
        "headers",
        "is_http_10",
        "keep_alive",
        "method",
        "named",
        "target",
        "wants_websocket",
    )

    def __init__(
        self,
        method: str,
        target: str,
        fields: Fields,
        headers: CIMultiDictProxy[str],
        *,
        is_http_10: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.headers = headers
        self.is_http_10 = is_http_10
        lengths: list[bytes] = []
        encodings: list[bytes] = []
        upgrades: list[bytes] = []
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
                upgrades.append(value.lower())
            elif kind == EXPECT and not is_http_10:
                self.expects = value
        self.framing = frame_request(lengths, encodings, is_http_10=is_http_10)
        # RFC 6455 section 4.1; a WebSocket's handshake has no body.
        self.wants_websocket = (
            upgrades == [b"websocket"]
            and b"upgrade" in self.named
            and method == "GET"
            and not is_http_10
            and self.framing == 0
        )
        self.keep_alive = _keeps_alive(self.named, is_http_10=is_http_10)


class ResponseHead:
    """An answer's head; `framing` is of its body, `length` what its Content-Length says."""

    __slots__ = (
        "fields",
        "framing",
        "is_http_10",
        "keep_alive",
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
        self.keep_alive = _keeps_alive(self.named, is_http_10=is_http_10)


def _keeps_alive(named: frozenset[bytes], *, is_http_10: bool) -> bool:
    if b"close" in named:
        return False
    return not is_http_10 or b"keep-alive" in named


def looks_like_request(beginning: bytes) -> bool:
    """Tell whether an incomplete head can still become one."""
    if not _BEGINNING.match(beginning[:33]):
        return False
    return beginning.count(b"\n") == beginning.count(b"\r\n")


def read_request(
    head: bytes, *, head_limit: int, url_limit: int, field_limit: int, count_limit: int
) -> RequestHead:
    """Read a request's head, which ends in its empty line. Limits are in bytes and fields.

    Raises:
        HeadError: it is none, or breaks a limit.
    """
    line_end = head.find(b"\r\n")
    # Method and version take at most some 40 bytes; the exact length is checked on the target.
    if line_end > url_limit + 64:
        raise TargetTooLongError("target too long")
    if len(head) > head_limit:
        raise HeadTooLargeError("head too long")
    if head.count(b"\r\n") - 2 > count_limit:
        raise HeadTooLargeError("too many header fields")
    parser = HttpRequestParser(
        None,
        None,
        _UNUSED_BUFFER_BYTES,
        max_line_size=url_limit + 64,
        max_headers=count_limit,
        max_field_size=field_limit,
        response_with_body=False,
        auto_decompress=False,
    )
    try:
        messages = parser.feed_data(head)[0]
    except LineTooLong as error:
        raise HeadTooLargeError("header field too long") from error
    except HttpProcessingError as error:
        raise HeadError("this is not HTTP/1.1, or breaks its grammar") from error
    message = _only(messages)
    _check_version(message.version)
    line = f"{message.method} {message.path} HTTP/1.{message.version.minor}"
    if head[:line_end] != line.encode("utf-8", "surrogateescape"):
        # Such as two spaces, which others could read as an empty target.
        raise HeadError("request line in an odd form")
    try:
        return RequestHead(
            message.method,
            message.path,
            message.raw_headers,
            message.headers,
            is_http_10=message.version.minor == 0,
        )
    except FramingError as error:
        raise HeadError(str(error)) from error


def read_response(head: bytes, *, field_limit: int, is_head: bool) -> ResponseHead:
    """Read an answer's head, which ends in its empty line; `is_head` tells what was asked.

    Raises:
        HeadError: it is none.
    """
    lines = head.count(b"\r\n")
    if lines > _FIELDS_LIMIT:
        raise HeadError("too many header fields")
    if head.count(b"\n") != lines or head.count(b"\r") != lines:
        raise HeadError("bare CR or LF")
    if len(head.translate(None, _CONTROLS)) != len(head):
        raise HeadError("control character")
    parser = HttpResponseParser(
        None,
        None,
        _UNUSED_BUFFER_BYTES,
        max_line_size=field_limit,
        max_headers=lines,
        max_field_size=field_limit,
        response_with_body=False,
        auto_decompress=False,
    )
    try:
        messages = parser.feed_data(head)[0]
    except HttpProcessingError as error:
        raise HeadError("this is not HTTP/1.1, or breaks its grammar") from error
    message = _only(messages)
    # One line a field: a folded one would be two, and read differently by others.
    if lines != len(message.raw_headers) + 2 or message.code < 100:
        raise HeadError("this is not HTTP/1.1, or breaks its grammar")
    _check_version(message.version)
    try:
        return ResponseHead(
            message.code,
            message.reason.encode("utf-8", "surrogateescape"),
            message.raw_headers,
            is_http_10=message.version.minor == 0,
            is_head=is_head,
        )
    except FramingError as error:
        raise HeadError(str(error)) from error


def _check_version(version: HttpVersion) -> None:
    if version.major != 1 or version.minor > 1:
        raise HeadError("a version of HTTP other than 1.0 and 1.1")


def _only(messages: Sequence[tuple[_Message, object]]) -> _Message:
    if len(messages) != 1:
        raise HeadError("this is not HTTP/1.1, or breaks its grammar")
    return messages[0][0]
