"""Cuts a visitor's bytes into requests: heads, and the bodies behind them."""

from proxy.wire.chunks import ChunkReader, Fields
from proxy.wire.framing import CHUNKED
from proxy.wire.head import (
    HeadError,
    HeaderSection,
    HeadLimits,
    HeadTooLargeError,
    RequestHead,
)
from proxy.wire.parser import END, looks_like_request, read_request


class RequestReader:
    """Holds what has come and was not taken yet."""

    __slots__ = ("_chunks", "_left", "_limits", "_section", "buffer")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self.buffer = b""
        """What has come and was not taken yet."""
        self._left = 0  # bytes of a body of known length that are still to come
        self._chunks: ChunkReader | None = None
        self._section: HeaderSection | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes in."""
        self.buffer = self.buffer + data if self.buffer else data

    def take_rest(self) -> bytes:
        """Return everything that waits."""
        rest, self.buffer = self.buffer, b""
        return rest

    def take_head(self) -> RequestHead | None:
        """Return the next request's head, or None while it is incomplete.

        Raises:
            HeadError: it is none, or breaks a limit.
        """
        limits = self._limits
        # An empty line before a request is read over (RFC 9112 section 2.2).
        buffer = self.buffer.removeprefix(b"\r\n")
        end = buffer.find(END) + len(END)
        if end < len(END):
            if len(buffer) > limits.head:
                raise HeadTooLargeError("head too long")
            if buffer not in {b"", b"\r"} and not looks_like_request(buffer):
                raise HeadError("this is not HTTP/1.1, or breaks its grammar")
            return None
        if end == len(buffer):
            self.buffer = b""
        else:
            self.buffer, buffer = buffer[end:], buffer[:end]
        head = read_request(buffer, limits, self._section)
        self._section = None if head.is_http_10 else head.section
        self._chunks = ChunkReader() if head.framing == CHUNKED else None
        self._left = max(head.framing, 0)
        return head

    def take_body(self) -> tuple[list[bytes], bool]:
        """Return what has come of the body, and whether that is its end.

        Raises:
            ChunkError: it breaks the grammar of chunks.
        """
        data = self.take_rest()
        if self._chunks is not None:
            pieces, self.buffer = self._chunks.feed(data)
            return pieces, self._chunks.is_done
        if len(data) > self._left:
            data, self.buffer = data[: self._left], data[self._left :]
        self._left -= len(data)
        return [data], not self._left

    @property
    def trailers(self) -> Fields:
        """The trailer fields of the body, once it is whole."""
        return () if self._chunks is None else self._chunks.trailers
