"""What Autobahn's fuzzing client sends and expects, through the gate, from either side.

The cases have the numbers of its families 1 to 5, 7 and 10; the peer behind the gate echoes
frames as they are. What is in a payload (family 6: UTF-8) is the endpoint's to judge and
passes untouched; sizes (9) and compression (12, 13) are in other files here. The suite itself
runs on CPython 2.7 only, which Debian no longer has; where it is there, `tests/conformance`
runs it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.frames import (
    BINARY,
    CLOSE,
    CONTINUED,
    FIN,
    PING,
    PONG,
    TEXT,
    Frame,
    accept,
    echo_frames,
    echo_to_end,
    frame,
    open_socket,
)
from tests.support.raw import Peer
from tests.support.scene import set_scene

Sent = tuple[int, bytes]

NORMAL = (FIN | CLOSE, b"\x03\xe8")
HELLO = (FIN | TEXT, b"Hello, world!")
PINGED = (FIN | PING, b"ping")
PONGED = (FIN | PONG, b"ping")
PROTOCOL_ERROR = 1002


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent, what comes back, and the code of the close frame that ends it."""

    sent: Sequence[Sent]
    echoed: Sequence[Sent] = ()
    code: int | None = PROTOCOL_ERROR


def echoing(*sent: Sent) -> Case:
    """Return a case of good frames, closed in good order."""
    back = [(FIN | PONG, p) if f == FIN | PING else (f, p) for f, p in sent if f != FIN | PONG]
    return Case([*sent, NORMAL], back, 1000)


def refused(*sent: Sent, after: Sequence[Sent] = ()) -> Case:
    """Return a case whose frames are good up to `after`, and bad from there on."""
    good = echoing(*after)
    return Case([*after, *sent], good.echoed)


def closing(payload: bytes, code: int | None) -> Case:
    """Return a case of one close frame."""
    return Case([(FIN | CLOSE, payload)], (), code)


def fragments(opcode: int, *payloads: bytes) -> list[Sent]:
    """Return a message in fragments."""
    firsts = [opcode, *(CONTINUED for _ in payloads[1:])]
    firsts[-1] |= FIN
    return list(zip(firsts, payloads, strict=True))


SIZES = (0, 125, 126, 127, 128, 65_535, 65_536)
TWO = fragments(TEXT, b"fragment1", b"fragment2")
NEVER_CONTINUED = (FIN | CONTINUED, b"non-continuation payload")

CASES = {
    **{f"1.1 text of {n}": echoing((FIN | TEXT, b"*" * n)) for n in SIZES},
    **{f"1.2 binary of {n}": echoing((FIN | BINARY, b"\xfe" * n)) for n in SIZES},
    "2.1 empty ping": echoing((FIN | PING, b"")),
    "2.2 ping with text": echoing(PINGED),
    "2.3 ping that is no UTF-8": echoing((FIN | PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")),
    "2.4 ping of 125": echoing((FIN | PING, b"\xfe" * 125)),
    "2.5 ping of 126": refused((FIN | PING, b"\xfe" * 126)),
    "2.7 empty pong unasked": echoing((FIN | PONG, b"")),
    "2.8 pong unasked": echoing((FIN | PONG, b"unsolicited")),
    "2.9 pong unasked, then a ping": echoing((FIN | PONG, b"unsolicited"), PINGED),
    "2.10 ten pings": echoing(*((FIN | PING, b"payload-%d" % n) for n in range(10))),
    "3.1 bit RSV3": refused((FIN | 0x10 | TEXT, HELLO[1])),
    "3.2 bit RSV2 after a message": refused((FIN | 0x20 | TEXT, HELLO[1]), PINGED, after=[HELLO]),
    "3.4 bit RSV1 after a message": refused((FIN | 0x40 | TEXT, HELLO[1]), PINGED, after=[HELLO]),
    "3.5 bits RSV1 and 3, binary": refused((FIN | 0x50 | BINARY, b"\x00\xff\xfe")),
    "3.6 bits RSV1 and 2, ping": refused((FIN | 0x60 | PING, HELLO[1])),
    "3.7 all bits, close": refused((FIN | 0x70 | CLOSE, b"\x03\xe8")),
    **{f"4.1 data opcode {n:x}": refused((FIN | n, b"a"), PINGED) for n in range(3, 8)},
    **{
        f"4.1 {n:x} after a message": refused((FIN | n, b""), PINGED, after=[HELLO]) for n in (3, 7)
    },
    **{f"4.2 control opcode {n:x}": refused((FIN | n, b"a"), PINGED) for n in range(11, 16)},
    **{f"4.2 {n:x} after a message": refused((FIN | n, b""), after=[HELLO]) for n in (11, 15)},
    "5.1 ping in fragments": refused(*fragments(PING, b"fragment1", b"fragment2")),
    "5.2 pong in fragments": refused(*fragments(PONG, b"fragment1", b"fragment2")),
    "5.3 text in fragments": echoing(*TWO),
    "5.6 ping between fragments": echoing(TWO[0], PINGED, TWO[1]),
    "5.9 continuation of nothing": refused(NEVER_CONTINUED, HELLO),
    "5.12 unfinished continuation of nothing": refused((CONTINUED, b"none"), HELLO),
    "5.15 continuation after the end": refused((CONTINUED, b"none"), HELLO, after=TWO),
    "5.18 two beginnings": refused((FIN | TEXT, b"fragment2"), after=[(TEXT, b"fragment1")]),
    "5.19 pings between five fragments": echoing(
        *fragments(TEXT, b"1", b"2")[:1],
        PINGED,
        (CONTINUED, b"2"),
        (CONTINUED, b"3"),
        PINGED,
        (CONTINUED, b"4"),
        (FIN | CONTINUED, b"5"),
    ),
    "6 text that is no UTF-8": echoing((FIN | TEXT, b"\xce\xba\xed\xa0\x80edited")),
    "6 half a character": echoing(*fragments(TEXT, b"\xf0\x9f", b"\x98\x80")),
    "7.1.1 message, then close": echoing(HELLO),
    "7.1.2 close twice": Case([NORMAL, NORMAL], (), 1000),
    "7.1.3 ping after the close": Case([NORMAL, PINGED], (), 1000),
    "7.1.4 text after the close": Case([NORMAL, HELLO], (), 1000),
    "7.1.5 close within a message": Case([TWO[0], NORMAL, TWO[1]], TWO[:1], 1000),
    "7.1.6 long message, close, ping": Case(
        [(FIN | TEXT, b"BAsd7&jh23" * 26_000), NORMAL, PINGED],
        [(FIN | TEXT, b"BAsd7&jh23" * 26_000)],
        1000,
    ),
    "7.3.1 empty close": closing(b"", None),
    "7.3.2 close with half a code": closing(b"a", PROTOCOL_ERROR),
    "7.3.3 close without a reason": closing(b"\x03\xe8", 1000),
    "7.3.4 close with a reason": closing("Hellö World!".encode().join((b"\x03\xe8", b"")), 1000),
    "7.3.5 reason of 123": closing(b"\x03\xe8" + b"*" * 123, 1000),
    "7.3.6 reason of 124": closing(b"\x03\xe8" + b"*" * 124, PROTOCOL_ERROR),
    "7.5.1 reason that is no UTF-8": closing(b"\x03\xe8\xce\xba\xed\xa0\x80", PROTOCOL_ERROR),
    **{
        f"7.7 close code {code}": closing(code.to_bytes(2) + b"why", code)
        for code in (*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999)
    },
    **{
        f"7.9 close code {code}": closing(code.to_bytes(2) + b"why", PROTOCOL_ERROR)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
    },
    "10.1 65536 bytes in fragments of 1300": echoing(
        *fragments(TEXT, *(b"*" * min(1300, 65_536 - at) for at in range(0, 65_536, 1300)))
    ),
}


def pieces_of(case: Case, cut: str, *, mask: bool) -> list[bytes]:
    """Return what is sent: in one piece, a piece a frame, or a byte at a time."""
    frames = [frame(first, payload, mask=mask) for first, payload in case.sent]
    if cut == "frames":
        return frames
    joined = b"".join(frames)
    return [joined] if cut == "whole" else [joined[i : i + 1] for i in range(len(joined))]


def told(received: Sequence[Frame]) -> tuple[list[Sent], int | None]:
    """Return what came back before the close frame, and its code."""
    assert received, "cut without a close frame"
    assert received[-1].first == FIN | CLOSE, received
    return [(f.first, f.payload) for f in received[:-1]], received[-1].code


async def send_in_pieces(peer: Peer, pieces: Sequence[bytes]) -> None:
    """Send so that each piece arrives by itself; who is refused may find nobody there."""
    try:
        for piece in pieces:
            await peer.send(piece)
            await asyncio.sleep(0)
    except ConnectionError:
        pass


WAYS = [
    pytest.param(case, cut, id=f"{name}, {cut}")
    for name, case in CASES.items()
    for cut in ("whole", "frames", "bytes")
    if cut != "bytes" or sum(len(payload) for _, payload in case.sent) < 300
]


@pytest.mark.parametrize(("case", "cut"), WAYS)
async def test_visitor_who_fuzzes_gets_what_an_endpoint_would_say(
    tmp_path: Path, case: Case, cut: str
) -> None:
    heard: list[Frame] = []

    async def listen(peer: Peer) -> None:
        await echo_frames(peer, heard)

    async with set_scene(tmp_path, listen) as scene, open_socket(scene) as (visitor, frames):
        await send_in_pieces(visitor, pieces_of(case, cut, mask=True))
        received = await frames.all()

    assert told(received) == (list(case.echoed), case.code)
    assert told(heard)[1] == case.code
    assert not any(f.is_masked for f in received)
    assert all(f.is_masked for f in heard)


@pytest.mark.parametrize(("case", "cut"), WAYS)
async def test_app_that_fuzzes_gets_what_an_endpoint_would_say(
    tmp_path: Path, case: Case, cut: str
) -> None:
    received: list[Frame] = []

    async def fuzz(peer: Peer) -> None:
        frames = await accept(peer)
        await send_in_pieces(peer, pieces_of(case, cut, mask=False))
        received.extend(await frames.all())
        await peer.close()

    heard: list[Frame] = []
    async with set_scene(tmp_path, fuzz) as scene, open_socket(scene) as (visitor, frames):
        await echo_to_end(visitor, frames, heard, mask=True)
        await visitor.read_to_end()

    assert told(received) == (list(case.echoed), case.code)
    assert told(heard)[1] == case.code
    assert all(f.is_masked for f in received)
    assert not any(f.is_masked for f in heard)
