"""An answer of our own, before it is bytes."""

from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus


@dataclass(slots=True)
class Answer:
    """Status, header fields and body; `closes` asks that the connection end with it."""

    status: int
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    closes: bool = False


def render(answer: Answer, *, is_head: bool, connection: bytes) -> bytes:
    """Return the bytes of the answer; `connection` is a line with its CRLF, or empty.

    An answer to HEAD tells the length of the body that it leaves out.
    """
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n".encode()]
    # Whoever answers himself and has a clock tells the time (RFC 9110 section 6.6.1).
    lines.append(b"Date: %b\r\n" % formatdate(usegmt=True).encode())
    lines += [
        f"{name}: {value}\r\n".encode("utf-8", "surrogateescape")
        for name, value in answer.fields.items()
    ]
    lines.append(b"Content-Length: %d\r\n" % len(answer.body))
    lines.append(connection)
    lines.append(b"\r\n")
    if not is_head:
        lines.append(answer.body)
    return b"".join(lines)
