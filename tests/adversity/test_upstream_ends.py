"""Apps that refuse, close, reset or fall silent, at every point of an answer."""

import asyncio
from pathlib import Path

import pytest

from tests.support.answers import is_cut
from tests.support.gate import run_gate
from tests.support.leaks import no_leaks
from tests.support.ports import refusing_port
from tests.support.raw import Peer, Script, answering
from tests.support.scene import END, OK, close, in_turn, linger, request, reset, saying, set_scene

PARTS_OF_A_HEAD = [b"H", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"]
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"
# An answer that is not at its end, and what of its body the visitor can see of it.
BEGINNINGS = [
    pytest.param(SIZED, b"", id="sized, nothing yet"),
    pytest.param(SIZED + b"hello", b"hello", id="sized, in the middle"),
    pytest.param(CHUNKED, b"", id="chunked, nothing yet"),
    pytest.param(CHUNKED + b"A\r\nhello", b"hello", id="within a chunk"),
    pytest.param(CHUNKED + b"5\r\nhello", b"hello", id="before the end of a chunk"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n", b"hello", id="between two chunks"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\n", b"hello", id="before the end of the trailers"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\n", b"hello", id="within the trailers"),
]


async def close_unheard(peer: Peer) -> None:
    await peer.close()


async def reset_unheard(peer: Peer) -> None:
    peer.reset()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_app_that_refuses_is_a_502(tmp_path: Path, method: str) -> None:
    with refusing_port() as port:
        url = f"http://127.0.0.1:{port}"
        async with run_gate(tmp_path, upstreams=(url,)) as gate, no_leaks(gate):
            answer = await gate.say(request(method, "", "Connection: close"))

    assert answer.startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("script", [close_unheard, reset_unheard], ids=["closes", "resets"])
async def test_app_that_accepts_and_ends_at_once_is_a_502(tmp_path: Path, script: Script) -> None:
    async with set_scene(tmp_path, script) as scene:
        answer = await scene.ask(request())

    assert (answer.status, answer.is_problem, answer.is_whole) == (502, True, True)


@pytest.mark.parametrize("then", [close, reset])
@pytest.mark.parametrize("part", [b"", *PARTS_OF_A_HEAD])
async def test_app_that_ends_before_its_head_is_whole_is_a_502(
    tmp_path: Path, part: bytes, then: Script
) -> None:
    async with set_scene(tmp_path, saying(part, then)) as scene:
        answer = await scene.ask(request("POST", body=b"hello"))

    assert (answer.status, answer.is_problem, answer.is_whole) == (502, True, True)


@pytest.mark.parametrize("then", [close, reset])
@pytest.mark.parametrize(("beginning", "body"), BEGINNINGS)
async def test_app_that_ends_within_its_answer_leaves_it_unfinished(
    tmp_path: Path, beginning: bytes, body: bytes, then: Script
) -> None:
    was_seen = asyncio.Event()

    async def end_when_seen(peer: Peer) -> None:
        await was_seen.wait()
        await then(peer)

    async with (
        set_scene(tmp_path, saying(beginning, end_when_seen)) as scene,
        scene.visit(request()) as (visitor, answers),
    ):
        # What came so far is passed on while the rest is still out.
        await visitor.read_until(body or END)
        was_seen.set()
        cut = await is_cut(answers)

    assert cut


async def test_end_of_an_answer_without_length_is_its_end(tmp_path: Path) -> None:
    async with set_scene(tmp_path, saying(UNTIL_CLOSE + b"hello", close)) as scene:
        answer = await scene.ask(request())

    assert (answer.status, answer.body, answer.is_whole) == (200, b"hello", True)
    assert answer.find("Transfer-Encoding") == "chunked"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_reset_of_an_answer_without_length_is_not_its_end(
    tmp_path: Path, version: str
) -> None:
    was_seen = asyncio.Event()

    async def reset_when_seen(peer: Peer) -> None:
        await was_seen.wait()
        peer.reset()

    async with (
        set_scene(tmp_path, saying(UNTIL_CLOSE + b"hello", reset_when_seen)) as scene,
        scene.visit(request(version=version)) as (visitor, answers),
    ):
        await visitor.read_until(b"hello")
        was_seen.set()
        # To a visitor of 1.0 nothing but RST says that the end is none.
        cut = await is_cut(answers)

    assert cut


@pytest.mark.parametrize("part", [b"", *PARTS_OF_A_HEAD])
async def test_app_that_stalls_before_its_head_is_whole_is_a_504(
    tmp_path: Path, part: bytes
) -> None:
    async with set_scene(
        tmp_path, saying(part, linger), first_byte_timeout_s=0.1, idle_timeout_s=0.1
    ) as scene:
        answer = await scene.ask(request())

    assert (answer.status, answer.is_problem, answer.is_whole) == (504, True, True)


@pytest.mark.parametrize(("beginning", "body"), BEGINNINGS)
async def test_app_that_stalls_within_its_answer_leaves_it_unfinished(
    tmp_path: Path, beginning: bytes, body: bytes
) -> None:
    ended = asyncio.Event()

    async def see_the_end(peer: Peer) -> None:
        await linger(peer)
        ended.set()

    async with (
        set_scene(tmp_path, saying(beginning, see_the_end), idle_timeout_s=0.1) as scene,
        scene.visit(request()) as (visitor, answers),
    ):
        await visitor.read_until(body or END)
        cut = await is_cut(answers)
        async with asyncio.timeout(2):
            await ended.wait()

    assert cut


async def test_stalled_app_is_never_asked_again_on_that_connection(tmp_path: Path) -> None:
    script = in_turn(saying(b"", linger), answering(OK))
    async with set_scene(tmp_path, script, first_byte_timeout_s=0.1) as scene:
        first = await scene.ask(request("POST"))
        second = await scene.ask(request("POST"))

    assert (first.status, second.status, second.body) == (504, 200, b"ok")


async def test_answer_of_one_byte_at_a_time_arrives_whole(tmp_path: Path) -> None:
    answer = CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"

    async def drip(peer: Peer) -> None:
        await peer.read_until(END)
        for byte in answer:
            await peer.send(bytes([byte]))
            # Lets the gate read it alone.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await peer.read_to_end()

    async with set_scene(tmp_path, drip) as scene:
        got = await scene.ask(request())

    assert (got.status, got.body, got.is_whole) == (200, b"hello", True)


async def test_one_app_that_breaks_off_harms_no_other_request(tmp_path: Path) -> None:
    script = in_turn(saying(SIZED + b"123", reset), saying(b"", close), answering(OK))
    async with set_scene(tmp_path, script) as scene:
        async with scene.visit(request()) as (_, answers):
            cut = await is_cut(answers)
        failed = await scene.ask(request("POST"))
        fine = await scene.ask(request("POST"))

    assert (cut, failed.status, fine.status) == (True, 502, 200)
