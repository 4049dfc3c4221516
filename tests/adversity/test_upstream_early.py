"""Apps that answer before they were asked in full, or speak between: 1xx, 101, early answers."""

import asyncio
from pathlib import Path

import pytest

from tests.support.answers import Answers
from tests.support.leaks import at_rest, held_by
from tests.support.raw import Peer, answering, raw_visitor
from tests.support.scene import OK, in_turn, linger, request, saying, set_scene

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
PLANTING = b"HTTP/1.1 103 Early Hints\r\nSet-Cookie: tollway=forged\r\nSet-Cookie: a=b\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
UPLOAD = request("POST", "", "Content-Length: 1000000") + b"a" * 1000
CHUNKED_UPLOAD = request("POST", "", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n"
# Of one step of a flood; larger than what is held of small things.
_BOUND = 1_000_000
_FLOOD = 64_000_000


@pytest.mark.parametrize("upload", [UPLOAD, CHUNKED_UPLOAD], ids=["sized", "chunked"])
@pytest.mark.parametrize("status", [b"200 OK", b"413 Too Large", b"401 Who", b"500 Oh"])
async def test_early_answer_is_passed_on_and_the_connections_end(
    tmp_path: Path, status: bytes, upload: bytes
) -> None:
    ended = asyncio.Event()

    async def see_the_end(peer: Peer) -> None:
        await linger(peer)
        ended.set()

    early = b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno"
    async with (
        set_scene(tmp_path, saying(early, see_the_end)) as scene,
        scene.visit(upload) as (visitor, answers),
    ):
        answer = await answers.next()
        # What follows is the rest of the upload, whatever it looks like.
        visitor.writer.write(request("GET", "smuggled"))
        surplus = await answers.surplus()
        async with asyncio.timeout(2):
            await ended.wait()
        connections = len(scene.app.peers)

    assert (answer.status, answer.body, answer.is_last) == (int(status[:3]), b"no", True)
    assert surplus == b""
    assert connections == 1


async def test_early_answer_reaches_a_visitor_who_reads_only_after_his_upload(
    tmp_path: Path,
) -> None:
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
    async with (
        set_scene(tmp_path, saying(early, linger)) as scene,
        raw_visitor(scene.gate.port) as visitor,
    ):
        # A gate that closes with bytes unread resets, and the answer is lost on the way.
        visitor.writer.write(request("POST", "", "Content-Length: 1000000") + b"a" * 1_000_000)
        answer = await Answers(visitor).next()

    assert (answer.status, answer.body) == (413, b"no")


async def test_answer_at_once_after_a_whole_upload_keeps_the_connection(tmp_path: Path) -> None:
    async with (
        set_scene(tmp_path, answering(OK)) as scene,
        scene.visit(request("POST", body=b"hello")) as (visitor, answers),
    ):
        first = await answers.next()
        await visitor.send(request("POST", body=b"hello"))
        second = await answers.next()

    assert [first.body, second.body] == [b"ok", b"ok"]
    assert not first.is_last


async def test_a_thousand_early_hints_are_passed_on(tmp_path: Path) -> None:
    async with set_scene(tmp_path, saying(HINT * 1000 + OK, linger)) as scene:
        answer = await scene.ask(request())

    assert (answer.status, answer.body, answer.is_whole) == (200, b"ok", True)
    assert answer.interim == (103,) * 1000


async def test_visitor_of_http_1_0_gets_no_early_hints(tmp_path: Path) -> None:
    async with set_scene(tmp_path, saying(HINT * 1000 + OK, linger)) as scene:
        answer = await scene.ask(request(version="1.0"))

    assert (answer.status, answer.body, answer.interim) == (200, b"ok", ())


async def test_endless_early_hints_fill_no_memory(tmp_path: Path) -> None:
    sent = 0

    async def flood(peer: Peer) -> None:
        nonlocal sent
        while sent < _FLOOD:
            peer.writer.write(HINT * 100)
            await peer.writer.drain()
            sent += len(HINT) * 100

    async with (
        set_scene(tmp_path, saying(b"", flood)) as scene,
        scene.visit(request()) as (visitor, _),
    ):
        await at_rest(lambda: sent)
        held = held_by(scene.gate)
        visitor.reset()

    assert held < _BOUND


async def test_hint_is_passed_on_before_the_answer_is_there(tmp_path: Path) -> None:
    was_seen = asyncio.Event()

    async def answer_when_seen(peer: Peer) -> None:
        await was_seen.wait()
        await peer.send(OK)
        await linger(peer)

    async with (
        set_scene(tmp_path, saying(HINT, answer_when_seen)) as scene,
        scene.visit(request()) as (_, answers),
    ):
        status, fields = await answers.head()
        was_seen.set()
        answer = await answers.next()

    assert (status, dict(fields)["Link"]) == (103, "</a.css>; rel=preload")
    assert answer.body == b"ok"


async def test_hint_sets_no_cookie_of_ours(tmp_path: Path) -> None:
    async with (
        set_scene(tmp_path, saying(PLANTING + OK, linger)) as scene,
        scene.visit(request()) as (_, answers),
    ):
        status, fields = await answers.head()

    assert (status, fields) == (103, (("Set-Cookie", "a=b"),))


@pytest.mark.parametrize("times", [1, 1000])
async def test_continue_that_nobody_asked_for_harms_nobody(tmp_path: Path, times: int) -> None:
    async with (
        set_scene(tmp_path, saying(CONTINUE * times + OK, linger)) as scene,
        scene.visit(request()) as (_, answers),
    ):
        answer = await answers.next()

    assert (answer.status, answer.body, answer.is_whole) == (200, b"ok", True)
    assert set(answer.interim) <= {100}


async def test_silence_after_a_hint_is_a_504(tmp_path: Path) -> None:
    script = saying(HINT, linger)
    async with set_scene(tmp_path, script, first_byte_timeout_s=0.1, idle_timeout_s=0.1) as scene:
        answer = await scene.ask(request())

    assert (answer.status, answer.is_whole, answer.interim) == (504, True, (103,))


async def test_end_after_a_hint_is_a_502(tmp_path: Path) -> None:
    async def end(peer: Peer) -> None:
        await peer.close()

    async with set_scene(tmp_path, saying(HINT, end)) as scene:
        answer = await scene.ask(request())

    assert (answer.status, answer.is_whole, answer.interim) == (502, True, (103,))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("surplus", [b"", b"\x81\x05hello", EVIL])
async def test_switch_that_nobody_asked_for_is_a_502(
    tmp_path: Path, method: str, surplus: bytes
) -> None:
    script = in_turn(saying(SWITCH + surplus, linger), answering(OK))
    async with (
        set_scene(tmp_path, script) as scene,
        scene.visit(request(method)) as (_, answers),
    ):
        answer = await answers.next()
        next_one = await scene.ask(request())

    assert (answer.status, answer.is_problem, answer.interim) == (502, True, ())
    assert next_one.body == b"ok"


async def test_hint_with_a_length_has_no_body(tmp_path: Path) -> None:
    script = in_turn(
        saying(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\n" + OK, linger),
        answering(OK),
    )
    async with (
        set_scene(tmp_path, script) as scene,
        scene.visit(request()) as (_, answers),
    ):
        answer = await answers.next()

    assert (answer.status, answer.body, answer.is_whole) == (200, b"ok", True)
