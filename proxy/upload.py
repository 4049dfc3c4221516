"""The request's body on its way: to an app as it comes, or collected for ourselves."""

from collections.abc import Callable

from proxy.upstreams.connection import UpstreamConnection
from proxy.wire.chunks import Fields, write_chunk, write_last
from proxy.wire.fields import strip_trailers
from proxy.wire.framing import CHUNKED


class Upload:
    """The body of one request; `framing` says how it comes."""

    __slots__ = ("_collected", "_framing", "_limit", "_received", "_then")

    def __init__(self, framing: int) -> None:
        self._framing = framing
        self._limit: int | None = None
        self._received = 0
        self._collected: bytearray | None = None
        self._then: Callable[[bytes], None] | None = None

    def limit(self, limit_bytes: int | None) -> bool:
        """Take no more than so many bytes; False if it says already that it will be more."""
        self._limit = limit_bytes
        return limit_bytes is None or self._framing <= limit_bytes

    def collect(self, then: Callable[[bytes], None]) -> None:
        """Keep what comes, and call `then` with all of it."""
        self._collected = bytearray()
        self._then = then

    def take(self, data: bytes, connection: UpstreamConnection | None) -> bool:
        """Take some of it; False if it is too much by now."""
        self._received += len(data)
        if self._limit is not None and self._received > self._limit:
            return False
        if self._collected is not None:
            self._collected += data
        elif connection is not None:
            connection.write(write_chunk(data) if self._framing == CHUNKED else data)
        return True

    def end(self, trailers: Fields, connection: UpstreamConnection | None) -> None:
        """Take note that it is whole."""
        then, collected = self._then, self._collected
        self._then = self._collected = None
        if then is not None and collected is not None:
            then(bytes(collected))
        elif connection is not None:
            kept = strip_trailers(trailers)
            if self._framing == CHUNKED:
                connection.write(write_last(kept))
            # aiohttp's server (3.14.5) takes a trailer for a field of the next request on the
            # connection, and that may be another visitor's.
            connection.end_upload(is_last=bool(kept))
