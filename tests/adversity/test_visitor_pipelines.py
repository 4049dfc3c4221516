"""Visitors who send many requests at once: answered in order, one at a time, and bounded."""

import asyncio
from pathlib import Path

import pytest

from tests.support.answers import Requests
from tests.support.leaks import at_rest, held_by, until
from tests.support.raw import Peer
from tests.support.scene import END, OK, echo, in_turn, linger, path_of, request, set_scene

_FLOOD = 10_000
_BOUND = 1_000_000


async def test_fifty_requests_in_one_segment_are_answered_in_order(tmp_path: Path) -> None:
    active = most = 0

    async def count(peer: Peer) -> None:
        nonlocal active, most
        requests = Requests(peer)
        while True:
            asked = await requests.next_request()
            active += 1
            most = max(most, active)
            # Others would have their turn here.
            await asyncio.sleep(0)
            body = asked.target.removeprefix("/public/").encode()
            active -= 1
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    raw = b"".join(request("GET", f"{i}") for i in range(50))
    async with set_scene(tmp_path, count) as scene, scene.visit(raw) as (_, answers):
        told = [(await answers.next()).body for _ in range(50)]

    assert told == [b"%d" % i for i in range(50)]
    assert most == 1


async def test_requests_of_all_kinds_in_one_segment_are_told_apart(tmp_path: Path) -> None:
    raw = (
        request("POST", "", body=b"GET /public/smuggled HTTP/1.1\r\nHost: notes.localhost\r\n\r\n")
        + request("GET", "second")
        + request("POST", "", "Transfer-Encoding: chunked")
        + b"5\r\nthird\r\n0\r\nX-A: b\r\n\r\n"
        + request("GET", "fourth", "Content-Length: 0")
        + request("POST", "", "Content-Length: 5")
        + b"fifth"
        + request("GET", "last", "Connection: close")
        + request("GET", "beyond")
    )
    async with set_scene(tmp_path, echo) as scene, scene.visit(raw) as (_, answers):
        told = [(await answers.next()).body for _ in range(6)]
        surplus = await answers.surplus()

    assert told[0].startswith(b"GET /public/smuggled")
    assert told[1:] == [b"second", b"third", b"fourth", b"fifth", b"last"]
    assert surplus == b""
    assert b"beyond" not in scene.app.received


async def test_rest_after_the_length_is_the_next_request_judged_by_itself(tmp_path: Path) -> None:
    paid = b"GET /paid HTTP/1.1\r\nHost: notes.localhost\r\n\r\n"
    raw = request("POST", "", body=b"hello") + paid + request("GET", "third")
    async with set_scene(tmp_path, echo) as scene, scene.visit(raw) as (_, answers):
        told = [(await answers.next()).status for _ in range(3)]
        received = scene.app.received

    assert told == [200, 401, 200]
    assert b"/paid" not in received


@pytest.mark.parametrize(
    "rest", [b"surplus\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"5\r\nhello\r\n\r\n"]
)
async def test_rest_after_the_length_that_is_no_request_is_a_400(
    tmp_path: Path, rest: bytes
) -> None:
    raw = request("POST", "", body=b"hello") + rest + request("GET", "smuggled")
    async with set_scene(tmp_path, echo) as scene, scene.visit(raw) as (_, answers):
        first = await answers.next()
        second = await answers.next()
        surplus = await answers.surplus()
        received = scene.app.received

    assert (first.status, first.body) == (200, b"hello")
    assert (second.status, second.is_last, surplus) == (400, True, b"")
    assert b"smuggled" not in received


async def test_request_behind_a_slow_one_waits_and_dies_with_the_visitor(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def think(peer: Peer) -> None:
        await peer.read_until(END)
        await linger(peer)
        ended.set()

    raw = request("GET", "slow") + request("POST", "behind", body=b"hello")
    async with set_scene(tmp_path, think) as scene:
        async with scene.visit(raw) as (visitor, _):
            await until(lambda: END in scene.app.received)
            visitor.reset()
            async with asyncio.timeout(2):
                await ended.wait()
        received = scene.app.received

    assert b"behind" not in received


async def test_request_behind_one_that_broke_off_is_never_asked(tmp_path: Path) -> None:
    async def break_off(peer: Peer) -> None:
        await peer.read_until(END)
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await peer.close()

    raw = request("GET", "broken") + request("GET", "behind")
    async with (
        set_scene(tmp_path, in_turn(break_off, echo)) as scene,
        scene.visit(raw) as (_, answers),
    ):
        answer = await answers.next()
        received = scene.app.received

    assert (answer.status, answer.is_whole) == (200, False)
    assert b"behind" not in received


async def test_request_behind_an_upload_in_chunks_is_not_read_as_a_part_of_it(
    tmp_path: Path,
) -> None:
    upload = request("POST", "", "Transfer-Encoding: chunked")
    raw = upload + b"5\r\nhello\r\n0\r\n\r\n" + request("GET", "next")
    async with set_scene(tmp_path, echo) as scene, scene.visit() as (visitor, answers):
        # Split at every place: where a piece ends, must mean nothing.
        for cut in range(len(upload), len(raw), 3):
            await visitor.send(raw[:cut])
            await asyncio.sleep(0)
            await visitor.send(raw[cut:])
            assert (await answers.next()).body == b"hello"
            assert (await answers.next()).body == b"next"


async def flood(visitor: Peer, piece: bytes, times: int, sent: list[int]) -> None:
    """Send a piece many times, and note each time."""
    for _ in range(times):
        visitor.writer.write(piece)
        await visitor.writer.drain()
        sent.append(len(piece))


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_visitor_who_reads_no_answers_is_not_answered_without_end(tmp_path: Path) -> None:
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"a" * 20_000
    reached = 0

    async def answer_large(peer: Peer) -> None:
        nonlocal reached
        requests = Requests(peer)
        while await requests.next_request():
            reached += 1
            peer.writer.write(large)
            await peer.writer.drain()

    async with set_scene(tmp_path, answer_large) as scene, scene.visit() as (visitor, _):
        sending = asyncio.create_task(flood(visitor, request() * 100, _FLOOD // 100, []))
        await until(lambda: reached)
        await at_rest(lambda: reached)
        held = held_by(scene.gate)
        await stop(sending)
        visitor.reset()

    # All of them would be 200 MB.
    assert held < _BOUND


async def test_visitor_who_reads_no_refusals_is_not_read_without_end(tmp_path: Path) -> None:
    refused = request().replace(b"/public/", b"/paid?" + b"a" * 1000) * 100
    sent: list[int] = []

    async with set_scene(tmp_path, linger) as scene, scene.visit() as (visitor, _):
        sending = asyncio.create_task(flood(visitor, refused, 64 * _BOUND // len(refused), sent))
        await until(lambda: sent)
        await at_rest(lambda: len(sent))
        held = held_by(scene.gate)
        await stop(sending)
        visitor.reset()

    # There is no exchange while the answers that are ready wait to be read: 64 MB would come.
    assert held < _BOUND


async def test_visitor_who_reads_late_is_answered_everything(tmp_path: Path) -> None:
    refused = request().replace(b"/public/", b"/paid?" + b"a" * 1000) * 100
    sent: list[int] = []

    async with set_scene(tmp_path, linger) as scene, scene.visit() as (visitor, answers):
        visitor.writer.transport.pause_reading()  # type: ignore[attr-defined] # of every socket
        sending = asyncio.create_task(flood(visitor, refused, 100, sent))
        await until(lambda: sent)
        await at_rest(lambda: len(sent))
        visitor.writer.transport.resume_reading()  # type: ignore[attr-defined] # of every socket
        told = {(await answers.next()).status for _ in range(10_000)}
        await sending

    assert told == {401}


async def test_what_is_read_ahead_of_a_slow_answer_is_bounded(tmp_path: Path) -> None:
    piece = request("GET", "a" * 4000) * 10
    sent: list[int] = []

    async def think(peer: Peer) -> None:
        await peer.read_until(END)
        await linger(peer)

    # Whoever does not read does not see a reset either: the app's time has to end this.
    async with (
        set_scene(tmp_path, think, first_byte_timeout_s=1.0) as scene,
        scene.visit(request()) as (visitor, _),
    ):
        await until(lambda: END in scene.app.received)
        sending = asyncio.create_task(flood(visitor, piece, 64 * _BOUND // len(piece), sent))
        await until(lambda: sent)
        await at_rest(lambda: len(sent))
        held = held_by(scene.gate)
        await stop(sending)
        visitor.reset()

    assert held < _BOUND


async def test_thousands_of_pipelined_requests_are_all_answered(tmp_path: Path) -> None:
    async with set_scene(tmp_path, echo) as scene, scene.visit() as (visitor, answers):
        sending = asyncio.create_task(flood(visitor, request("GET", "x") * 100, 20, []))
        told = [(await answers.next()).body for _ in range(2000)]
        await sending

    assert told == [b"x"] * 2000


async def test_one_pipelining_visitor_keeps_no_other_out(tmp_path: Path) -> None:
    async def by_path(peer: Peer) -> None:
        head = await peer.read_until(END)
        if path_of(head) != "held":
            await peer.send(OK)
        await linger(peer)

    held = request("GET", "held") * 1000
    async with (
        set_scene(tmp_path, by_path, upstream_connections=2) as scene,
        scene.visit(held) as (visitor, _),
    ):
        await until(lambda: END in scene.app.received)
        answer = await scene.ask(request())
        visitor.reset()

    assert (answer.status, answer.body) == (200, b"ok")
