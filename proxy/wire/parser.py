"""Heads of messages, read by aiohttp's C parser (llhttp), each by a parser of its own.

A head is cut out at its empty line and parsed alone, so that nothing that one message does
to a parser's state can colour the next. Bodies never enter the parser: `framing` tells how
long they are.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeVar

from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpRequestParser, HttpResponseParser
from aiohttp.http_writer import HttpVersion

from proxy.wire.framing import FramingError
from proxy.wire.head import (
    HeadError,
    HeaderSection,
    HeadLimits,
    HeadTooLargeError,
    RequestHead,
    ResponseHead,
    TargetTooLongError,
)

END: Final = b"\r\n\r\n"
# Nothing is ever read through the parser's own body buffer.
_UNUSED_BUFFER_BYTES: Final = 65_536
_CONTROLS: Final = bytes([*range(9), 11, 12, *range(14, 32), 127])
# Of an app's answer; the largest seen in the wild have some hundred.
_FIELDS_LIMIT: Final = 1000
# What the parser reads in the same way, whatever the fields behind it.
_PLAIN_LINE = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[!-\"$-~]*) HTTP/1\.1")
# Every request begins so; what does not (TLS, a binary protocol) is refused at its first byte.
_BEGINNING = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}(?: |\Z)")

# Of answers' heads that may come again: so many, of so many bytes at most.
_REMEMBERED: Final = 512
_REMEMBERED_BYTES: Final = 2048

_Message = TypeVar("_Message")


def looks_like_request(beginning: bytes) -> bool:
    """Tell whether an incomplete head can still become one."""
    if not _BEGINNING.match(beginning[:33]):
        return False
    return beginning.count(b"\n") == beginning.count(b"\r\n")


def read_request(head: bytes, limits: HeadLimits, last: HeaderSection | None = None) -> RequestHead:
    """Read a request's head, which ends in its empty line.

    `last` is the header section of the request before it on the connection. Most requests
    of a connection repeat it to the byte, and then it need not be read again.

    Raises:
        HeadError: it is none, or breaks a limit.
    """
    line_end = head.find(b"\r\n")
    # Method and version take at most some 40 bytes; the exact length is checked on the target.
    if line_end > limits.url + 64:
        raise TargetTooLongError("target too long")
    if len(head) > limits.head:
        raise HeadTooLargeError("head too long")
    if last is not None and head[line_end:] == last.raw:
        line = _PLAIN_LINE.fullmatch(head, 0, line_end)
        if line is not None and len(line[2]) <= limits.url:
            return RequestHead(line[1].decode(), line[2].decode(), last, is_http_10=False)
    if head.count(b"\r\n") - 2 > limits.count:
        raise HeadTooLargeError("too many header fields")
    request = _parse_request(head, line_end, limits)
    if len(request.target) > limits.url:
        raise TargetTooLongError("target too long")
    return request


def _parse_request(head: bytes, line_end: int, limits: HeadLimits) -> RequestHead:
    parser = HttpRequestParser(
        None,
        None,
        _UNUSED_BUFFER_BYTES,
        max_line_size=limits.url + 64,
        max_headers=limits.count,
        max_field_size=limits.field,
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
    is_http_10 = message.version.minor == 0
    try:
        section = HeaderSection(
            head[line_end:], message.raw_headers, message.headers, is_http_10=is_http_10
        )
    except FramingError as error:
        raise HeadError(str(error)) from error
    return RequestHead(message.method, message.path, section, is_http_10=is_http_10)


def read_response(head: bytes, *, field_limit: int, is_head: bool) -> ResponseHead:
    """Read an answer's head, which ends in its empty line; `is_head` tells what was asked.

    Within a second, an app's answers to one question mostly have the same head, to the byte.

    Raises:
        HeadError: it is none.
    """
    if len(head) > _REMEMBERED_BYTES:
        return _parse_response(head, field_limit, is_head)
    return _recall_response(head, field_limit, is_head)


def _parse_response(head: bytes, field_limit: int, is_head: bool) -> ResponseHead:  # noqa: FBT001 - the cache's key
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


_recall_response = lru_cache(_REMEMBERED)(_parse_response)


def _check_version(version: HttpVersion) -> None:
    if version.major != 1 or version.minor > 1:
        raise HeadError("a version of HTTP other than 1.0 and 1.1")


def _only(messages: Sequence[tuple[_Message, object]]) -> _Message:
    if len(messages) != 1:
        raise HeadError("this is not HTTP/1.1, or breaks its grammar")
    return messages[0][0]
