"""What an app may say, mostly an answer, and what a gate has to make of it."""

from dataclasses import dataclass
from random import Random

from proxy.wire.chunks import ChunkError, ChunkReader
from proxy.wire.fields import strip_response, strip_trailers
from proxy.wire.framing import CHUNKED, UNTIL_CLOSE
from proxy.wire.head import HeadError, ResponseHead
from proxy.wire.parser import END, read_response
from tests.support.hostile import chunked, edited, fields
from tests.support.readings import Field

_FIELD_LIMIT = 256 * 1024
_INTERIM_LIMIT = 1024
_VERSIONS = ["HTTP/1.1"] * 20 + ["HTTP/1.0", "HTTP/1.0", "HTTP/2", "http/1.1"]
_STATUSES = ["200"] * 12 + ["204", "304", "206", "404", "500", "599", "999", "101", "100", "99"]
_REASONS = [" OK", " OK", " OK", "", " ", " Gr\xfc\xdfe", " a\tb", "  ", " 200"]
_INTERIM = ["HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"]
_INTERIM += ["HTTP/1.1 102\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 101 A\r\nUpgrade: h2c\r\n\r\n"]
_ODD_FRAMING = ["Content-Length: +5\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n"]
_ODD_FRAMING += ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5, 5\r\n"]
_ODD_FRAMING += ["Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: identity\r\n"]
_ODD_FRAMING += ["Content-Length: 50\r\n", "Content-Length: 1\r\n", "Content-Length: 007\r\n"]


def answer(rnd: Random) -> bytes:
    """Return what an app says to one request."""
    flood = 1100 if rnd.random() < 0.01 else rnd.choice([0, 0, 0, 0, 1, 3])
    interim = "".join(rnd.choices(_INTERIM, weights=[8, 8, 4, 1])[0] for _ in range(flood))
    first = "".join(rnd.choice(part) for part in (_VERSIONS, [" "], _STATUSES, _REASONS))
    framing, body = _framed(rnd)
    surplus = rnd.choice([b""] * 12 + [b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
    head = f"{interim}{first}\r\n{fields(rnd, 2)}{framing}{fields(rnd, 1)}\r\n"
    return edited(rnd, head.encode("latin-1") + body + surplus)


def _framed(rnd: Random) -> tuple[str, bytes]:
    kind, body = rnd.random(), rnd.randbytes(rnd.randint(0, 60))
    if kind < 0.4:
        return f"Content-Length: {len(body)}\r\n", body
    if kind < 0.8:
        return "Transfer-Encoding: chunked\r\n", chunked(rnd)
    return ("", body) if kind < 0.9 else (rnd.choice(_ODD_FRAMING), body)


@dataclass
class Said:
    """What the gate makes of it. `status` None: it is no answer, and the visitor gets a 502.

    `is_whole` None means that only a close makes it whole. `interim` are the statuses before it.
    """

    status: int | None
    interim: list[int]
    fields: list[Field]
    body: bytes = b""
    trailers: tuple[Field, ...] = ()
    is_whole: bool | None = False


def take_in(raw: bytes, method: str) -> Said:
    """Return what to make of an app's bytes, behind which nothing more comes."""
    said = Said(None, [], [])
    while (end := raw.find(END)) >= 0:
        head_bytes, raw = raw[: end + len(END)], raw[end + len(END) :]
        try:
            head = read_response(head_bytes, field_limit=_FIELD_LIMIT, is_head=method == "HEAD")
        except HeadError:
            break
        if head.status >= 200:
            _take_body(said, head, raw)
            break
        said.interim.append(head.status)
        if head.status == 101 or len(said.interim) > _INTERIM_LIMIT:
            break
    # Passed on are those that a visitor of HTTP/1.1 needs who expects nothing.
    said.interim = [status for status in said.interim[:_INTERIM_LIMIT] if status not in {100, 101}]
    return said


def _take_body(said: Said, head: ResponseHead, raw: bytes) -> None:
    said.status = head.status
    lines = strip_response(head.fields, head.named, own_cookies=frozenset(), is_private=False)
    for line in lines:
        name, _, value = line.removesuffix(b"\r\n").partition(b": ")
        said.fields.append((name.lower(), value))
    if head.framing == UNTIL_CLOSE:
        said.body, said.is_whole = raw, None
    elif head.framing == CHUNKED:
        reader = ChunkReader()
        try:
            said.body = b"".join(reader.feed(raw)[0])
        except ChunkError:
            return
        said.is_whole = reader.is_done
        trailers = strip_trailers(reader.trailers)
        said.trailers = tuple((name.lower(), value) for name, value in trailers)
    else:
        said.body, said.is_whole = raw[: head.framing], len(raw) >= head.framing
