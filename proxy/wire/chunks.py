"""Chunked bodies (RFC 9112 section 7.1): read strictly, written in one canonical form.

Chunk extensions are read over and never passed on; a lone CR or LF is an error everywhere,
since readers that forgive it end a chunk at different places (the "TERM.EXT" family of
request smuggling).
"""

import re
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

Fields = tuple[tuple[bytes, bytes], ...]

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
# As the grammar has them: a quote left open goes over the line's end for some readers, who
# then find the next chunk in another place.
_EXTENSION: Final = rb"[\t ]*;[\t ]*%b(?:[\t ]*=[\t ]*(?:%b|%b))?" % (_TOKEN, _TOKEN, _QUOTED)
# A 17th hexadecimal digit would overflow 64 bits in some readers.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:%b)*)" % _EXTENSION)
_SIZE_LINE_LIMIT: Final = 256
# Extensions have no use that we know of, and a chunk of one byte may carry 250.
_EXTENSIONS_LIMIT: Final = 16 * 1024
_TRAILERS_LIMIT: Final = 8 * 1024
# Blanks are stripped apart: a pattern that leaves them out takes quadratic time on many.
_TRAILER = re.compile(rb"(%b):([\t -~\x80-\xff]*)" % _TOKEN)


class ChunkError(Exception):
    """The body breaks the grammar of chunks; where it would end is not known."""


class _At(Enum):
    """What comes next."""

    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()
    DONE = auto()


class ChunkReader:
    """Takes a chunked body in pieces and gives its bytes. `trailers` are whole once it is done."""

    __slots__ = ("_at", "_extensions", "_held", "_left", "trailers")

    def __init__(self) -> None:
        self._at = _At.SIZE
        self._left = 0  # bytes of the current chunk that are still to come
        self._held = b""  # an incomplete line, or incomplete trailers
        self._extensions = 0  # bytes of extensions so far
        self.trailers: Fields = ()

    @property
    def is_done(self) -> bool:
        """Tell whether the end of the body has come."""
        return self._at is _At.DONE

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return the body's bytes within `data`, and what follows the body's end.

        Raises:
            ChunkError: this is no chunked body.
        """
        body: list[bytes] = []
        position, size = 0, len(data)
        while position < size:
            match self._at:
                case _At.DATA:
                    piece = data[position : position + self._left]
                    body.append(piece)
                    position += len(piece)
                    self._left -= len(piece)
                    if not self._left:
                        self._at = _At.DATA_END
                case _At.SIZE:
                    position = self._read_size(data, position)
                case _At.DATA_END:
                    position = self._read_data_end(data, position)
                case _At.TRAILERS:
                    position = self._read_trailers(data, position)
                case _At.DONE:
                    break
        return body, data[position:]

    def _read_size(self, data: bytes, position: int) -> int:
        line, position = self._take_line(data, position, _SIZE_LINE_LIMIT)
        if line is None:
            return position
        match = _SIZE.fullmatch(line)
        if match is None:
            raise ChunkError("bad chunk size")
        self._extensions += len(match[2])
        if self._extensions > _EXTENSIONS_LIMIT:
            raise ChunkError("too many chunk extensions")
        self._left = int(match[1], 16)
        self._at = _At.DATA if self._left else _At.TRAILERS
        return position

    def _read_data_end(self, data: bytes, position: int) -> int:
        line, position = self._take_line(data, position, 0)
        if line is not None:
            self._at = _At.SIZE
        return position

    def _take_line(self, data: bytes, position: int, limit: int) -> tuple[bytes | None, int]:
        """Return the next line without its CRLF, or None while it is incomplete."""
        end = data.find(b"\n", position)
        line = self._held + data[position : end if end >= 0 else len(data)]
        if len(line) > limit + 1:
            raise ChunkError("chunk line too long")
        if end < 0:
            self._held = line
            return None, len(data)
        if not line.endswith(b"\r"):
            raise ChunkError("chunk line ends without CR")
        self._held = b""
        return line[:-1], end + 1

    def _read_trailers(self, data: bytes, position: int) -> int:
        # With the end of the size line before them, no trailers and some end alike.
        text = b"\r\n" + self._held + data[position:]
        end = text.find(b"\r\n\r\n")
        if (end if end >= 0 else len(text)) > _TRAILERS_LIMIT:
            raise ChunkError("trailers too long")
        if end < 0:
            self._held = text[2:]
            return len(data)
        if end:
            self.trailers = tuple(_parse_trailers(text[2:end]))
        self._held, self._at = b"", _At.DONE
        return len(data) - (len(text) - end - 4)


def _parse_trailers(text: bytes) -> Iterable[tuple[bytes, bytes]]:
    for line in text.split(b"\r\n"):
        match = _TRAILER.fullmatch(line)
        if match is None:
            raise ChunkError("bad trailer field")
        yield match[1], match[2].strip(b" \t")


def write_chunk(data: bytes) -> bytes:
    """Return `data`, which must not be empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def write_last(trailers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """Return the last chunk, with its trailer fields."""
    return b"0\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % field for field in trailers)
