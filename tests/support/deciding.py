"""What the gate decides on and writes, as functions of bytes: no sockets, no gate, no clock."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from proxy.canonical import CanonicalRequest, Rejected, parse_request
from proxy.wire.chunks import ChunkError, write_chunk, write_last
from proxy.wire.fields import strip_request, strip_trailers
from proxy.wire.framing import CHUNKED
from proxy.wire.head import HeadError, HeadLimits, RequestHead
from proxy.wire.reader import RequestReader
from tests.support.gate import SETTINGS
from tests.support.readings import Reading, without_framing

LIMITS = HeadLimits(
    head=SETTINGS.head_limit_bytes,
    url=SETTINGS.url_limit_bytes,
    field=SETTINGS.header_limit_bytes,
    count=SETTINGS.header_count_limit,
)
_OWN_COOKIES = frozenset({SETTINGS.session_cookie.encode(), SETTINGS.flow_cookie.encode()})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass
class Decided:
    """The requests that are whole, as decided on (`readings`) and as written (`sent`).

    `refused` tells why the next one is none, `closes` that there can be no next one, and
    `has_more` that the next one is not whole yet. `unmet` are the places of those that expect
    what nobody does.
    """

    readings: list[Reading] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    refused: str | None = None
    closes: bool = False
    has_more: bool = False
    unmet: set[int] = field(default_factory=set)

    @property
    def for_the_app(self) -> list[Reading]:
        """The requests that the gate of the tests passes on without asking who it is from."""
        return [
            reading
            for at, reading in enumerate(self.readings)
            if reading.is_for_the_public_part and at not in self.unmet
        ]


def decide(pieces: Iterable[bytes]) -> Decided:
    """Read a visitor's bytes, in the pieces in which they come."""
    decided, reader = Decided(), RequestReader(LIMITS)
    under_way: _UnderWay | None = None
    for piece in pieces:
        reader.feed(piece)
        while reader.buffer:
            try:
                if under_way is None:
                    under_way = _begin(reader)
                    if under_way is None:
                        break
                if under_way.take(reader):
                    under_way.end(reader, decided)
                    head, under_way = under_way.head, None
                    # The apps of the tests have no WebSockets, and decline.
                    if not head.section.keep_alive or head.wants_websocket:
                        decided.closes = True
                        return decided
            except (HeadError, ChunkError, _RefusedError) as error:
                decided.refused = str(error)
                return decided
    decided.has_more = under_way is not None or bool(reader.buffer)
    return decided


class _RefusedError(Exception):
    """The head can be read, and means nothing that everybody agrees on."""


class _UnderWay:
    """One request of which the head has come."""

    def __init__(self, head: RequestHead, canonical: CanonicalRequest) -> None:
        self.head = head
        self._canonical = canonical
        self._pieces: list[bytes] = []

    def take(self, reader: RequestReader) -> bool:
        """Take what has come of the body; tell whether that is all of it."""
        if self.head.framing == 0:
            return True
        pieces, is_whole = reader.take_body()
        if together := b"".join(pieces):
            self._pieces.append(together)
        return is_whole

    def end(self, reader: RequestReader, decided: Decided) -> None:
        """Add the whole request to what was decided on."""
        canonical, head, section = self._canonical, self.head, self.head.section
        if section.expects is not None and section.expects.lower() != b"100-continue":
            decided.unmet.add(len(decided.readings))
        lines = strip_request(
            section.fields, section.named, own_cookies=_OWN_COOKIES, hide_authorization=False
        )
        if section.expects is not None and head.framing != 0:
            lines.append(b"Expect: 100-continue\r\n")
        if head.wants_websocket:
            lines += [b"Connection: Upgrade\r\n", b"Upgrade: websocket\r\n"]
        trailers = strip_trailers(reader.trailers) if head.framing == CHUNKED else ()
        body = b"".join(self._pieces)
        line = f"{head.method} {canonical.target} HTTP/1.1\r\nHost: {canonical.authority}\r\n"
        sent = line.encode() + b"".join(lines)
        if head.framing == CHUNKED:
            sent += b"Transfer-Encoding: chunked\r\n\r\n"
            sent += b"".join(map(write_chunk, self._pieces)) + write_last(trailers)
        elif head.framing or head.method in _WITH_BODY:
            sent += b"Content-Length: %d\r\n\r\n%b" % (head.framing, body)
        else:
            sent += b"\r\n"
        decided.sent.append(sent)
        decided.readings.append(
            Reading(
                head.method.encode(),
                canonical.target.encode(),
                without_framing([(b"host", canonical.authority.encode()), *map(_split, lines)]),
                body,
                tuple((name.lower(), value) for name, value in trailers),
            )
        )


def _begin(reader: RequestReader) -> _UnderWay | None:
    head = reader.take_head()
    if head is None:
        return None
    hosts = head.headers.getall("Host", ())
    canonical = parse_request(head.method, head.target, hosts, SETTINGS.url_limit_bytes)
    if isinstance(canonical, Rejected):
        raise _RefusedError(canonical.why)
    return _UnderWay(head, canonical)


def _split(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.removesuffix(b"\r\n").partition(b": ")
    return name.lower(), value
