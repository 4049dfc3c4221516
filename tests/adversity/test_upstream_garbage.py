"""Apps whose answer is none, or could be read in two ways."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.raw import Peer, answering
from tests.support.scene import END, OK, close, in_turn, linger, request, saying, set_scene

LINE = b"HTTP/1.1 200 OK\r\n"

REFUSED = {
    "binary": b"\x00\xff\x01\xfe\r\n\r\n",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
    "greeting of another protocol": b"220 mail.example ESMTP ready\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9 with a status": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/3.0": b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/11.1": b"HTTP/11.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "small letters": b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "ICY": b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
    "status 99": b"HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status with a sign": b"HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n",
    "status in words": b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
    "status in other digits": "HTTP/1.1 \uff12\uff10\uff10 OK\r\n\r\n".encode(),
    "no status": b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n",
    "no colon": LINE + b"Content-Length 0\r\n\r\n",
    "no name": LINE + b": 0\r\nContent-Length: 0\r\n\r\n",
    "space in a name": LINE + b"X A: b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a name": LINE + b"X\x00A: b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": LINE + b"X-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "CR in a value": LINE + b"X-A: a\rSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n",
    "line of a megabyte": LINE + b"X-A: " + b"a" * 1_000_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "reason of a megabyte": b"HTTP/1.1 200 " + b"a" * 1_000_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "10,000 fields": LINE + b"X-A: b\r\n" * 10_000 + b"Content-Length: 0\r\n\r\n",
    "two lengths": LINE + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\nhello",
    "two lengths in a list": LINE + b"Content-Length: 2, 5\r\n\r\nhello",
    "length in words": LINE + b"Content-Length: five\r\n\r\nhello",
    "length with a plus": LINE + b"Content-Length: +5\r\n\r\nhello",
    "length below nothing": LINE + b"Content-Length: -5\r\n\r\nhello",
    "length in hex": LINE + b"Content-Length: 0x5\r\n\r\nhello",
    "length with an underscore": LINE + b"Content-Length: 0_5\r\n\r\nhello",
    "length of 30 digits": LINE + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nhello",
    "empty length": LINE + b"Content-Length: \r\n\r\nhello",
    "coding gzip": LINE + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "coding gzip, chunked": LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding chunked, gzip": LINE + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "coding chunked twice": LINE + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "coding xchunked": LINE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding with a vertical tab": LINE + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
}

# A proxy may refuse these or make them clean (RFC 9112, 2.2, 5.2 and 6.3), not pass them on.
DOUBTFUL = {
    "control character in a value": LINE + b"X-A: a\x1bb\r\nContent-Length: 5\r\n\r\nhello",
    "chunked for HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 5\nX-A: b\n\nhello",
    "bare LF among others": b"HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 5\r\n\r\nhello",
    "folded": LINE + b"X-A: a\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
    "first field folded": LINE + b" X-A: a\r\nContent-Length: 5\r\n\r\nhello",
    "space before the colon": LINE + b"X-A : a\r\nContent-Length : 5\r\n\r\nhello",
    "two equal lengths": LINE + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "two equal lengths in a list": LINE + b"Content-Length: 5, 5\r\n\r\nhello",
    "length and chunked": LINE
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked and length": LINE
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
}

# Odd, but said by apps in use, and with one meaning only.
TAKEN = {
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
    "empty reason": b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello",
    "reason in Latin-1": b"HTTP/1.1 200 Gr\xfc\xdfe\r\nContent-Length: 5\r\n\r\nhello",
    "value in Latin-1": LINE + b"X-A: Gr\xfc\xdfe\r\nContent-Length: 5\r\n\r\nhello",
    "empty value": LINE + b"X-A:\r\nContent-Length: 5\r\n\r\nhello",
    "no space after the colon": LINE + b"Content-Length:5\r\n\r\nhello",
    "tab in a value": LINE + b"X-A: a\tb\r\nContent-Length: 5\r\n\r\nhello",
    "coding in capitals": LINE + b"Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("garbage", REFUSED.values(), ids=REFUSED.keys())
async def test_garbage_is_a_502_and_its_connection_not_used_again(
    tmp_path: Path, garbage: bytes
) -> None:
    script = in_turn(saying(garbage, linger), answering(OK))
    async with set_scene(tmp_path, script) as scene:
        refused = await scene.ask(request())
        next_one = await scene.ask(request())

    assert (refused.status, refused.is_problem, refused.is_whole) == (502, True, True)
    assert (next_one.status, next_one.body) == (200, b"ok")


@pytest.mark.parametrize("garbage", [b"\x00\xff\x01", b"<html>hello</html>", b"\r\n", b" "])
async def test_garbage_without_a_line_is_a_502(tmp_path: Path, garbage: bytes) -> None:
    async with set_scene(tmp_path, saying(garbage, close)) as scene:
        answer = await scene.ask(request())

    assert answer.status == 502


@pytest.mark.parametrize("doubtful", DOUBTFUL.values(), ids=DOUBTFUL.keys())
async def test_what_is_doubtful_is_refused_or_made_clean(tmp_path: Path, doubtful: bytes) -> None:
    script = in_turn(saying(doubtful, linger), answering(OK))
    async with (
        set_scene(tmp_path, script) as scene,
        scene.visit(request()) as (visitor, answers),
    ):
        # The reader takes no bare LF, no fold, and no two lengths.
        answer = await answers.next()
        head = bytes(visitor.received).split(END)[0]

    assert answer.status == 502 or (answer.body, answer.is_whole) == (b"hello", True)
    assert not re.search(rb"[^\r]\n|\r[^\n]|\r\n[ \t]|[ \t]:", head)


@pytest.mark.parametrize("odd", TAKEN.values(), ids=TAKEN.keys())
async def test_what_is_odd_and_plain_is_taken(tmp_path: Path, odd: bytes) -> None:
    async with set_scene(tmp_path, saying(odd, linger)) as scene:
        answer = await scene.ask(request())

    assert (answer.status, answer.body, answer.is_whole) == (200, b"hello", True)


async def test_name_that_forges_a_second_answer_forges_none(tmp_path: Path) -> None:
    forged = LINE + b"X-A: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    script = in_turn(saying(forged, close), answering(OK))
    async with (
        set_scene(tmp_path, script) as scene,
        scene.visit(request()) as (visitor, answers),
    ):
        # Without a length all that follows is body.
        first = await answers.next()
        await visitor.send(request())
        second = await answers.next()

    assert first.body.endswith(b"evil")
    assert second.body == b"ok"


@pytest.mark.parametrize("line", [b"X-A: b\r\n" * 1000, b"a" * 8000], ids=["fields", "one line"])
async def test_endless_head_is_a_502_before_it_is_megabytes(tmp_path: Path, line: bytes) -> None:
    ended = asyncio.Event()
    sent = 0

    async def flood(peer: Peer) -> None:
        nonlocal sent
        try:
            while sent < 50_000_000:
                await peer.send(line)
                sent += len(line)
        finally:
            ended.set()

    async with set_scene(tmp_path, saying(LINE, flood)) as scene:
        answer = await scene.ask(request())
        async with asyncio.timeout(5):
            await ended.wait()

    assert answer.status == 502
    assert sent < 16_000_000
