"""Requests as parsers that are not ours read them: h11, and the server of aiohttp."""

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import h11
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from aiohttp.streams import StreamReader

Field = tuple[bytes, bytes]

_LIMIT = 1 << 24
FRAMING = frozenset({b"content-length", b"transfer-encoding"})
# What the gate sets for an anonymous visitor: before his own fields, and behind them.
_FIRST = re.compile(rb"X-Request-Id: [0-9a-f]{16}\r\nX-Entitlement-Decision-Id: [0-9a-f]{16}\r\n")
_LAST = re.compile(
    rb"X-Forwarded-For: 127\.0\.0\.1\r\n"
    rb"X-Forwarded-Proto: http\r\n"
    rb"X-Forwarded-Host: notes\.localhost:8080\r\n"
    rb'Forwarded: for=127\.0\.0\.1;proto=http;host="notes\.localhost:8080"\r\n'
    rb"Via: 1\.1 tollway\r\n"
    rb"X-Entitlement-Status: anonymous\r\n"
)


class UnreadableError(Exception):
    """The bytes are not whole requests, and nothing else."""


class UnfinishedError(UnreadableError):
    """More is to come of the last of them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One request. `fields` are without those of framing, their names in small letters.

    `trailers` None means that the reader tells nothing of them.
    """

    method: bytes
    target: bytes
    fields: tuple[Field, ...]
    body: bytes
    trailers: tuple[Field, ...] | None

    @property
    def is_for_the_public_part(self) -> bool:
        """Tell whether the gate of the tests passes it on without asking who it is from."""
        hosts = [value for name, value in self.fields if name == b"host"]
        return (
            len(hosts) == 1
            and hosts[0].partition(b":")[0] == b"notes.localhost"
            and self.target.startswith(b"/public/")
        )

    @property
    def without_trailers(self) -> "Reading":
        """Return the same without its trailers."""
        return Reading(self.method, self.target, self.fields, self.body, None)


def read_by_h11(data: bytes) -> list[Reading]:
    """Return the requests in `data`.

    Raises:
        UnreadableError: h11 refuses them, or waits for more.
    """
    found, trouble = read_by_h11_as_far(data)
    if trouble is not None:
        raise trouble
    return found


def read_by_h11_as_far(data: bytes) -> tuple[list[Reading], UnreadableError | None]:
    """Return the requests at the beginning of `data`, and what is wrong with the next."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LIMIT)
    connection.receive_data(data)
    found: list[Reading] = []
    try:
        while connection.trailing_data[0]:
            found.append(_next_by_h11(connection))
    except h11.RemoteProtocolError as error:
        return found, UnreadableError(str(error))
    except UnreadableError as error:
        return found, error
    return found, None


def _next_by_h11(connection: h11.Connection) -> Reading:
    if connection.our_state is not h11.IDLE:
        raise UnreadableError("it goes on after its end")
    request, body = connection.next_event(), b""
    if not isinstance(request, h11.Request):
        raise UnfinishedError
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    if not isinstance(event, h11.EndOfMessage):
        raise UnfinishedError
    connection.send(h11.Response(status_code=404, headers=[(b"Content-Length", b"0")]))
    connection.send(h11.EndOfMessage())
    with suppress(h11.LocalProtocolError):  # It was to be the last.
        connection.start_next_cycle()
    return Reading(
        request.method,
        request.target,
        without_framing((bytes(name), bytes(value)) for name, value in request.headers),
        body,
        tuple((bytes(name), bytes(value)) for name, value in event.headers),
    )


def read_by_aiohttp(data: bytes, loop: asyncio.AbstractEventLoop) -> list[Reading]:
    """Return the requests in `data`, as an app on aiohttp would get them.

    Raises:
        UnreadableError: it waits for more, or refuses them.
    """
    found: list[Reading] = []
    while data:
        parser = HttpRequestParser(
            BaseProtocol(loop),
            loop,
            _LIMIT,
            max_line_size=_LIMIT,
            max_field_size=_LIMIT,
            auto_decompress=False,
        )
        messages, is_upgraded, rest = parser.feed_data(data)
        if not messages or (rest and not is_upgraded):
            raise UnreadableError(rest)
        for message, payload in messages:
            found.append(
                Reading(
                    message.method.encode(),
                    message.path.encode(),
                    without_framing((n.lower(), v) for n, v in message.raw_headers),
                    _whole(payload),
                    None,
                )
            )
        data = rest
    return found


def _whole(payload: StreamReader) -> bytes:
    if not payload.is_eof():
        raise UnreadableError("the body has no end")
    return payload.read_nowait()


def without_framing(fields: Iterable[Field]) -> tuple[Field, ...]:
    """Return the fields that are not there for a reader to find the end of the body."""
    return tuple(field for field in fields if field[0] not in FRAMING)


def without_ours(sent: bytes) -> tuple[bytes, int]:
    """Return what an app saw without what the gate sets, and how many times that was there."""
    rest, times = _FIRST.subn(b"", sent)
    rest, as_many = _LAST.subn(b"", rest)
    assert times == as_many, sent
    return rest, times
