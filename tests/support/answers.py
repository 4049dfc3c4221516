"""Reads a gate's answers by their framing alone, as strictly as the strictest visitor."""

import re
from dataclasses import dataclass

from tests.support.raw import Peer

_REQUEST_LINE = re.compile(rb"([A-Z-]+) ([^\x00-\x20\x7f]+) HTTP/1\.1")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [^\x00-\x08\x0a-\x1f\x7f]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `interim` are the 1xx before it, `is_whole` that its framing was finished."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes
    is_whole: bool
    interim: tuple[int, ...] = ()

    def find(self, name: str) -> str | None:
        """Return the value of a field that may stand once."""
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        assert len(values) <= 1, self.fields
        return values[0] if values else None

    @property
    def is_last(self) -> bool:
        """Tell whether it says that the connection will be closed."""
        return (self.find("Connection") or "").lower() == "close"

    @property
    def is_problem(self) -> bool:
        """Tell whether it is the gate's own."""
        return self.find("Content-Type") == "application/problem+json"


class Answers:
    """The answers on a visitor's connection, one after the other."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._at = 0

    async def next(self, method: str = "GET") -> Answer:
        """Return the next answer as far as it came.

        Raises:
            EOFError: the connection ended before the head of one.
        """
        interim: list[int] = []
        while True:
            status, fields = await self.head()
            if status >= 200:
                break
            interim.append(status)
        told = Answer(status, fields, b"", is_whole=True, interim=tuple(interim))
        length, coding = told.find("Content-Length"), told.find("Transfer-Encoding")
        assert length is None or coding is None, fields
        if method == "HEAD" or status in {204, 304}:
            return told
        if coding is not None:
            assert coding == "chunked"
            body, is_whole = await self._chunks()
        elif length is not None:
            assert length.isdecimal()
            body, is_whole = await self.take(int(length))
        else:
            body, is_whole = await self._until_close()
        return Answer(status, fields, body, is_whole, tuple(interim))

    async def head(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        """Return status and fields of the next answer, be it an interim one."""
        line, fields = await self._head()
        status = _STATUS_LINE.fullmatch(line)
        assert status is not None, line
        return int(status[1]), fields

    async def take(self, size: int) -> tuple[bytes, bool]:
        """Return the next bytes, and whether all of them came."""
        while len(self._peer.received) < self._at + size:
            if not await self._more():
                return self._rest(), False
        taken = bytes(self._peer.received[self._at : self._at + size])
        self._at += size
        return taken, True

    async def surplus(self) -> bytes:
        """Return what else came until the connection ended."""
        while await self._more():
            pass
        return self._rest()

    def _rest(self) -> bytes:
        rest = bytes(self._peer.received[self._at :])
        self._at += len(rest)
        return rest

    async def _head(self) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        lines = (await self._line(_END)).split(b"\r\n")
        fields = [_FIELD.fullmatch(line) for line in lines[1:]]
        assert None not in fields, lines
        told = tuple((f[1].decode(), f[2].decode("latin-1")) for f in fields if f is not None)
        return lines[0], told

    async def _line(self, mark: bytes) -> bytes:
        while (end := self._peer.received.find(mark, self._at)) < 0:
            if not await self._more():
                raise EOFError(f"ended after {self._rest()[:1000]!r}")
        line = bytes(self._peer.received[self._at : end])
        self._at = end + len(mark)
        return line

    async def _chunks(self) -> tuple[bytes, bool]:
        body = bytearray()
        try:
            while True:
                size = await self._line(b"\r\n")
                assert _CHUNK_SIZE.fullmatch(size), size
                if int(size, 16) == 0:
                    break
                data, is_whole = await self.take(int(size, 16))
                body += data
                if not is_whole or await self._line(b"\r\n"):
                    return bytes(body), False
            while line := await self._line(b"\r\n"):
                assert _FIELD.fullmatch(line), line
        except EOFError:
            return bytes(body), False
        return bytes(body), True

    async def _until_close(self) -> tuple[bytes, bool]:
        try:
            while await self._peer.read():
                pass
        except ConnectionResetError:
            return self._rest(), False
        return self._rest(), True

    async def _more(self) -> bool:
        try:
            return bool(await self._peer.read())
        except ConnectionResetError:
            return False


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the app sees it; `is_whole` that its framing was finished."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    is_whole: bool


class Requests(Answers):
    """The requests on an app's connection, one after the other."""

    async def next_request(self) -> Request:
        """Return the next request as far as it came.

        Raises:
            EOFError: the connection ended before the head of one.
        """
        line, fields = await self._head()
        said = _REQUEST_LINE.fullmatch(line)
        assert said is not None, line
        framing = {name.lower(): value for name, value in fields}
        assert not {"content-length", "transfer-encoding"} <= framing.keys(), fields
        body, is_whole = b"", True
        if "transfer-encoding" in framing:
            body, is_whole = await self._chunks()
        elif "content-length" in framing:
            body, is_whole = await self.take(int(framing["content-length"]))
        return Request(said[1].decode(), said[2].decode(), fields, body, is_whole)


async def is_cut(answers: Answers, method: str = "GET") -> bool:
    """Tell whether the next answer stays unfinished."""
    try:
        return not (await answers.next(method)).is_whole
    except EOFError:
        return True
