"""Visitors who send slowly: they get a 408, hold no app, and keep nobody else out."""

import asyncio
from collections.abc import Iterable
from itertools import chain, repeat
from pathlib import Path

import pytest

from tests.support.answers import is_cut
from tests.support.leaks import until
from tests.support.raw import Peer, answering
from tests.support.scene import END, OK, echo, linger, request, saying, set_scene

# How long a slow visitor waits for an answer before he sends the next byte.
_PACE_S = 0.02
_PATIENCE_S = 4.0

CHUNKED = request("POST", "", "Transfer-Encoding: chunked")


async def drip(visitor: Peer, data: Iterable[int]) -> None:
    """Send byte after byte, each after a while in which nothing was answered."""
    async with asyncio.timeout(_PATIENCE_S):
        for byte in data:
            visitor.writer.write(bytes([byte]))
            try:
                async with asyncio.timeout(_PACE_S):
                    await visitor.read()
            except TimeoutError:
                continue
            return


def endless(start: bytes) -> Iterable[int]:
    return chain(start, repeat(ord("a")))


@pytest.mark.parametrize(
    "start",
    [b"G", b"GET /public/", b"GET /public/ HTTP/1.1\r\nX-A: ", request("GET", "")[:-2]],
    ids=["method", "target", "field", "before the empty line"],
)
async def test_head_that_stops_is_a_408(tmp_path: Path, start: bytes) -> None:
    async with (
        set_scene(tmp_path, answering(OK), head_timeout_s=0.1) as scene,
        scene.visit(start) as (_, answers),
    ):
        answer = await answers.next()
        surplus = await answers.surplus()

    assert (answer.status, answer.is_whole, answer.is_last, surplus) == (408, True, True, b"")
    assert scene.app.peers == []


@pytest.mark.parametrize("start", [b"", b"GET /public/ HTTP/1.1\r\nX-A: "], ids=["method", "field"])
async def test_head_of_a_byte_now_and_then_is_a_408(tmp_path: Path, start: bytes) -> None:
    async with (
        set_scene(tmp_path, answering(OK), head_timeout_s=0.2) as scene,
        scene.visit() as (visitor, answers),
    ):
        # Every byte is news; the time runs from the first one all the same.
        await drip(visitor, endless(start))
        answer = await answers.next()

    assert (answer.status, answer.is_last) == (408, True)
    assert scene.app.peers == []


async def test_second_head_that_stops_is_a_408_after_the_first_answer(tmp_path: Path) -> None:
    async with (
        set_scene(tmp_path, answering(OK), head_timeout_s=0.1) as scene,
        scene.visit(request() + b"GET /pub") as (_, answers),
    ):
        first = await answers.next()
        second = await answers.next()

    assert (first.status, second.status, second.is_last) == (200, 408, True)


async def test_time_for_the_head_does_not_run_while_an_app_answers(tmp_path: Path) -> None:
    may_answer = asyncio.Event()

    async def answer_late(peer: Peer) -> None:
        await peer.read_until(END)
        await may_answer.wait()
        await peer.send(OK)
        await linger(peer)

    # The slow one is over its time when the app's answer is let go.
    async with (
        set_scene(tmp_path, answer_late, head_timeout_s=0.1) as scene,
        scene.visit(request()) as (_, answers),
        scene.visit(b"G") as (_, slow),
    ):
        late = await slow.next()
        may_answer.set()
        answer = await answers.next()

    assert (late.status, answer.status) == (408, 200)


async def test_kept_connection_has_no_head_to_wait_for(tmp_path: Path) -> None:
    async with (
        set_scene(tmp_path, answering(OK), head_timeout_s=0.1) as scene,
        scene.visit(request()) as (visitor, answers),
        scene.visit(b"G") as (_, slow),
    ):
        await answers.next()
        await slow.next()
        await visitor.send(request())
        again = await answers.next()

    assert again.status == 200


@pytest.mark.parametrize("field", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("piece", [b"", b"5\r\nhe"], ids=["nothing", "a part"])
async def test_body_that_stops_is_a_408_and_ends_the_apps_connection(
    tmp_path: Path, field: str, piece: bytes
) -> None:
    ended = asyncio.Event()

    async def see_the_end(peer: Peer) -> None:
        await linger(peer)
        ended.set()

    async with (
        set_scene(tmp_path, see_the_end, body_timeout_s=0.1) as scene,
        scene.visit(request("POST", "", field) + piece) as (_, answers),
    ):
        answer = await answers.next()
        surplus = await answers.surplus()
        async with asyncio.timeout(2):
            await ended.wait()

    assert (answer.status, answer.is_whole, answer.is_last, surplus) == (408, True, True, b"")
    assert not scene.app.received.endswith(b"\r\n0\r\n\r\n")


async def test_body_that_stops_after_the_answer_began_is_cut(tmp_path: Path) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok"
    async with (
        set_scene(tmp_path, saying(half, linger), body_timeout_s=0.1) as scene,
        scene.visit(request("POST", "", "Content-Length: 100") + b"a") as (visitor, answers),
    ):
        await visitor.read_until(END + b"ok")
        cut = await is_cut(answers)

    assert cut


async def test_body_of_a_byte_now_and_then_arrives_whole(tmp_path: Path) -> None:
    # It takes longer than the time, which begins anew with every byte.
    async with (
        set_scene(tmp_path, echo, body_timeout_s=0.5) as scene,
        scene.visit(request("POST", "", "Content-Length: 40")) as (visitor, answers),
    ):
        await drip(visitor, b"a" * 40)
        answer = await answers.next()

    assert (answer.status, answer.body) == (200, b"a" * 40)


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (request("GET", "", "X-A: b", "Accept: */*"), b""),
        (request("POST", body=b"hello"), b"hello"),
        (CHUNKED + b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n", b"hello"),
    ],
    ids=["head", "sized", "chunked"],
)
async def test_request_of_many_small_pieces_is_one_request(
    tmp_path: Path, raw: bytes, body: bytes
) -> None:
    async with (
        set_scene(tmp_path, echo) as scene,
        scene.visit() as (visitor, answers),
    ):
        for byte in raw:
            await visitor.send(bytes([byte]))
            # Lets the gate read it alone.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        answer = await answers.next()

    assert (answer.status, answer.body) == (200, body)
    assert len(scene.app.peers) == 1


async def test_many_slow_visitors_hold_none_of_the_apps_connections(tmp_path: Path) -> None:
    async with (
        set_scene(tmp_path, answering(OK), upstream_connections=1, head_timeout_s=1.0) as scene,
        scene.visit(b"GET /pub"),
        scene.visit(b"G"),
    ):
        answer = await scene.ask(request())

    assert answer.status == 200


async def test_idle_visitor_of_one_byte_is_gone_from_the_gate(tmp_path: Path) -> None:
    async with (
        set_scene(tmp_path, answering(OK), head_timeout_s=0.1) as scene,
        scene.visit(b"G") as (visitor, answers),
    ):
        await answers.next()
        # He never closes his side; the gate does not wait for him.
        await until(visitor.reader.at_eof)
        server = scene.gate.server
        await until(lambda: server is None or server.connections == 0, limit_s=10)


async def test_answers_to_the_slow_and_the_quick_do_not_mix(tmp_path: Path) -> None:
    async with (
        set_scene(tmp_path, answering(OK), head_timeout_s=5.0) as scene,
        scene.visit() as (slow, answers),
    ):
        raw = request("GET", "slow")
        quick = []
        for byte in raw:
            await slow.send(bytes([byte]))
            quick.append((await scene.ask(request("GET", "quick"))).status)
        answer = await answers.next()

    assert (answer.status, set(quick)) == (200, {200})


async def test_uploads_that_stop_are_not_held_against_the_app(tmp_path: Path) -> None:
    upload = request("POST", "", "Content-Length: 10") + b"a"

    async with set_scene(tmp_path, echo, first_byte_timeout_s=0.05, body_timeout_s=0.2) as scene:
        stopped = await asyncio.gather(*(scene.ask(upload) for _ in range(5)))
        # As many failures in a row would shut out the app's only server.
        other = await scene.ask(request())

    assert [answer.status for answer in stopped] == [408] * 5
    assert other.status == 200


async def test_app_that_takes_no_upload_in_is_a_504_all_the_same(tmp_path: Path) -> None:
    async def ignore(peer: Peer) -> None:
        await peer.read_until(END)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined] # of every socket

    size = 64 * 1024 * 1024
    async with (
        set_scene(tmp_path, ignore, first_byte_timeout_s=0.1, body_timeout_s=10.0) as scene,
        scene.visit(request("POST", "", f"Content-Length: {size}")) as (visitor, answers),
    ):
        sending = asyncio.create_task(visitor.send(b"a" * size))
        answer = await answers.next()
        sending.cancel()
        await asyncio.wait([sending])

    assert (answer.status, answer.is_last) == (504, True)
