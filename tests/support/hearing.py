"""Answers as h11 hears them, which is a client that is not ours."""

from dataclasses import dataclass, field

import h11

from tests.support.readings import FRAMING, Field, without_framing

_LIMIT = 1 << 24


@dataclass
class Heard:
    """One answer, as far as it came; `broken` tells what in it, or behind it, is no HTTP.

    `framing` are the names of the fields that tell where it ends.
    """

    status: int | None = None
    interim: list[int] = field(default_factory=list)
    fields: tuple[Field, ...] = ()
    framing: tuple[bytes, ...] = ()
    body: bytes = b""
    trailers: tuple[Field, ...] = ()
    is_whole: bool = False
    broken: str = ""


def hear_by_h11(received: bytes, method: str, *, was_reset: bool) -> Heard:
    """Return the answer to one request, on a connection that was closed or reset after it."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LIMIT)
    connection.send(
        h11.Request(method=method, target="/", headers=[("Host", "a"), ("Connection", "close")])
    )
    connection.send(h11.EndOfMessage())
    connection.receive_data(received)
    if not was_reset:
        connection.receive_data(b"")
    heard = Heard()
    try:
        while not heard.is_whole and _take(heard, connection.next_event()):
            pass
    except h11.RemoteProtocolError as error:
        heard.broken = str(error)
    if heard.is_whole and connection.trailing_data[0]:
        heard.broken = "it goes on after its end"
    return heard


def _take(heard: Heard, event: object) -> bool:
    """Take an event in; False if there will be no more."""
    match event:
        case h11.InformationalResponse():
            heard.interim.append(event.status_code)
        case h11.Response():
            heard.status = event.status_code
            heard.fields = without_framing((bytes(n), bytes(v)) for n, v in event.headers)
            heard.framing = tuple(bytes(n) for n, _ in event.headers if bytes(n) in FRAMING)
        case h11.Data():
            heard.body += event.data
        case h11.EndOfMessage():
            heard.trailers = tuple((bytes(n), bytes(v)) for n, v in event.headers)
            heard.is_whole = True
        case _:
            return False
    return True
