"""Apps whose chunks are wrong: what came so far never looks whole, and no more is waited for."""

import asyncio
from pathlib import Path

import pytest

from tests.support.answers import Answer, Answers
from tests.support.raw import Peer, answering
from tests.support.scene import END, OK, close, in_turn, linger, request, saying, set_scene

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GOOD = b"5\r\nhello\r\n"

BAD = {
    "size in words": b"five\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size with a plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "size below nothing": b"-5\r\nhello\r\n0\r\n\r\n",
    "size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "size in other digits": "\uff15\r\nhello\r\n0\r\n\r\n".encode(),
    "size of 17 digits": b"1" + b"0" * 16 + b"\r\nhello",
    "size of 17 digits, mostly zeros": b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n",
    "size of a megabyte": b"0" * 1_000_000,
    "extension of a megabyte": b"5;a=" + b"b" * 1_000_000,
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "bare LF in an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "data longer than said": b"3\r\nhello\r\n0\r\n\r\n",
    "data shorter than said": b"7\r\nhello\r\n0\r\n\r\n",
    "trailer without a colon": b"0\r\nX-A b\r\n\r\n",
    "trailer with NUL": b"0\r\nX-A: a\x00b\r\n\r\n",
    "trailer of a megabyte": b"0\r\nX-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "10,000 trailers": b"0\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n",
}

# Ends where more must come.
SHORT = {
    "nothing": b"",
    "within a size": b"5",
    "huge chunk": b"FFFFFFFF\r\nhello",
    "no last chunk": b"5\r\nhello\r\n",
    "last chunk without its end": b"5\r\nhello\r\n0\r\n",
    "CR of the end only": b"5\r\nhello\r\n0\r\n\r",
}


async def answer_or_end(answers: Answers) -> Answer | None:
    try:
        return await answers.next()
    except EOFError:
        return None


def seems_whole(answer: Answer | None) -> bool:
    return answer is not None and answer.status == 200 and answer.is_whole


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_bad_chunk_never_looks_whole(tmp_path: Path, bad: bytes) -> None:
    # In one segment with the head, so that it may be found before anything is passed on.
    script = in_turn(saying(HEAD + GOOD + bad, linger), answering(OK))
    async with set_scene(tmp_path, script) as scene:
        async with scene.visit(request()) as (_, answers):
            answer = await answer_or_end(answers)
        next_one = await scene.ask(request())

    assert not seems_whole(answer)
    assert (next_one.status, next_one.body) == (200, b"ok")


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_bad_chunk_that_comes_later_cuts_the_visitor_off(tmp_path: Path, bad: bytes) -> None:
    was_seen, ended = asyncio.Event(), asyncio.Event()

    async def go_on(peer: Peer) -> None:
        await was_seen.wait()
        await peer.send(bad)
        await linger(peer)
        ended.set()

    async with set_scene(tmp_path, in_turn(saying(HEAD + GOOD, go_on), answering(OK))) as scene:
        async with scene.visit(request()) as (visitor, answers):
            await visitor.read_until(b"hello")
            was_seen.set()
            answer = await answer_or_end(answers)
        next_one = await scene.ask(request())

    assert answer is not None
    assert (answer.status, answer.is_whole) == (200, False)
    assert (next_one.status, next_one.body) == (200, b"ok")


@pytest.mark.parametrize("short", SHORT.values(), ids=SHORT.keys())
async def test_chunks_that_end_early_never_look_whole(tmp_path: Path, short: bytes) -> None:
    async with (
        set_scene(tmp_path, saying(HEAD + short, close)) as scene,
        scene.visit(request()) as (_, answers),
    ):
        answer = await answer_or_end(answers)

    assert not seems_whole(answer)


@pytest.mark.parametrize(
    ("kind", "piece"),
    [
        ("size", b"0" * 8000),
        ("extension", b"5;" + b"a" * 8000),
        ("trailers", b"0\r\n" + b"X-A: b\r\n" * 1000),
    ],
)
async def test_endless_line_between_chunks_ends_the_answer(
    tmp_path: Path, kind: str, piece: bytes
) -> None:
    ended = asyncio.Event()
    sent = 0
    # What goes on and on of it.
    more = piece.split(b"\r\n", 1)[-1] if kind == "trailers" else piece[2:]

    async def flood(peer: Peer) -> None:
        nonlocal sent
        try:
            await peer.send(piece)
            while sent < 50_000_000:
                await peer.send(more)
                sent += len(more)
        finally:
            ended.set()

    async with (
        set_scene(tmp_path, saying(HEAD + GOOD, flood)) as scene,
        scene.visit(request()) as (_, answers),
    ):
        answer = await answer_or_end(answers)
        async with asyncio.timeout(5):
            await ended.wait()

    assert not seems_whole(answer)
    assert sent < 16_000_000


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", b"hel"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nhel", b"hel"),
    ],
)
async def test_body_shorter_than_said_never_looks_whole(
    tmp_path: Path, answer: bytes, body: bytes
) -> None:
    async with (
        set_scene(tmp_path, saying(answer, close)) as scene,
        scene.visit(request()) as (_, answers),
    ):
        got = await answer_or_end(answers)

    assert not seems_whole(got)


@pytest.mark.parametrize(
    "chunks",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"005\r\nhello\r\n000\r\n\r\n",
        b"5;name=value\r\nhello\r\n0;last\r\n\r\n",
        b'5;name="a b"\r\nhello\r\n0\r\n\r\n',
        b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"0000000000000005\r\nhello\r\n0\r\n\r\n",
    ],
)
async def test_chunks_that_are_right_arrive_without_their_extensions(
    tmp_path: Path, chunks: bytes
) -> None:
    async with (
        set_scene(tmp_path, saying(HEAD + chunks, linger)) as scene,
        scene.visit(request()) as (visitor, answers),
    ):
        answer = await answers.next()
        body = bytes(visitor.received).split(END, 1)[1]

    assert (answer.status, answer.body, answer.is_whole) == (200, b"hello", True)
    assert b";" not in body


async def test_visitor_of_http_1_0_gets_chunks_joined_until_the_close(tmp_path: Path) -> None:
    chunks = b"1\r\nh\r\n4\r\nello\r\n0\r\nX-Sum: 1\r\n\r\n"
    async with (
        set_scene(tmp_path, saying(HEAD + chunks, linger)) as scene,
        scene.visit(request(version="1.0")) as (_, answers),
    ):
        answer = await answers.next()
        surplus = await answers.surplus()

    assert (answer.body, answer.is_whole, surplus) == (b"hello", True, b"")
    assert answer.find("Transfer-Encoding") is None


async def test_visitor_of_http_1_0_sees_that_chunks_broke_off(tmp_path: Path) -> None:
    was_seen = asyncio.Event()

    async def break_off(peer: Peer) -> None:
        await was_seen.wait()
        await peer.close()

    async with (
        set_scene(tmp_path, saying(HEAD + GOOD, break_off)) as scene,
        scene.visit(request(version="1.0")) as (visitor, answers),
    ):
        await visitor.read_until(b"hello")
        was_seen.set()
        # Only a reset tells it: the end of the connection is the end of the body.
        answer = await answers.next()

    assert (answer.status, answer.is_whole) == (200, False)
