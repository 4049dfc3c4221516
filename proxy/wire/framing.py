"""How long a body is: RFC 9112 section 6, read strictly.

The parser has checked this before us. It is decided here a second time, from the same
fields that we forward, since two readings of one message are how requests are smuggled.
"""

from collections.abc import Sequence
from typing import Final

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
"""A framing is the body's length in bytes, or one of these two."""

# More digits than any length that is meant; a 20th digit overflows 64 bits in some readers.
_MAX_DIGITS = 18


class FramingError(Exception):
    """The message does not say in one way where it ends."""


def frame_request(lengths: Sequence[bytes], encodings: Sequence[bytes], *, is_http_10: bool) -> int:
    """Return the framing of a request's body; a request without any has none.

    Raises:
        FramingError: the fields contradict each other, or nobody may use them so.
    """
    if not encodings:
        return _length(lengths) if lengths else 0
    if is_http_10:
        raise FramingError("Transfer-Encoding in HTTP/1.0")
    _refuse_all_but_chunked(lengths, encodings)
    return CHUNKED


def frame_response(
    lengths: Sequence[bytes],
    encodings: Sequence[bytes],
    *,
    status: int,
    is_head: bool,
    is_http_10: bool,
) -> int:
    """Return the framing of an answer's body (RFC 9112 section 6.3).

    Raises:
        FramingError: as for requests.
    """
    if is_head or status < 200 or status in {204, 304}:
        return 0
    if encodings:
        if is_http_10:
            raise FramingError("Transfer-Encoding in HTTP/1.0")
        _refuse_all_but_chunked(lengths, encodings)
        return CHUNKED
    return _length(lengths) if lengths else UNTIL_CLOSE


def _refuse_all_but_chunked(lengths: Sequence[bytes], encodings: Sequence[bytes]) -> None:
    if lengths:
        raise FramingError("both Content-Length and Transfer-Encoding")
    if len(encodings) > 1 or encodings[0].lower() != b"chunked":
        raise FramingError("Transfer-Encoding other than chunked")


def _length(lengths: Sequence[bytes]) -> int:
    if len(lengths) > 1:
        raise FramingError("more than one Content-Length")
    text = lengths[0]
    # `isdigit` of bytes knows ASCII digits alone; `int` would take signs and underscores.
    if not text.isdigit() or len(text) > _MAX_DIGITS:
        raise FramingError("Content-Length is not a number")
    return int(text)
