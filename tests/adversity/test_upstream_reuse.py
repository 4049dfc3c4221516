"""Kept connections to an app: what may be asked again, and what must not be used again."""

import asyncio
from pathlib import Path

import pytest

from tests.support.answers import Answers
from tests.support.leaks import until
from tests.support.raw import Peer, Script, answering
from tests.support.scene import (
    END,
    OK,
    close,
    echo,
    in_turn,
    linger,
    request,
    reset,
    saying,
    set_scene,
)

FRESH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfresh"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def ending_on_the_next(then: Script) -> Script:
    """Answer one request; end the connection the moment the next one comes."""

    async def script(peer: Peer) -> None:
        await saying(OK, linger_for_one)(peer)
        await then(peer)

    async def linger_for_one(peer: Peer) -> None:
        await peer.read_until(END, times=2)

    return script


@pytest.mark.parametrize("then", [close, reset])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_repeatable_request_survives_a_connection_that_just_ended(
    tmp_path: Path, method: str, then: Script
) -> None:
    bare = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-From: fresh\r\n\r\n"
    async with set_scene(tmp_path, in_turn(ending_on_the_next(then), answering(bare))) as scene:
        first = await scene.ask(request())
        second = await scene.ask(request(method))
        asked = [bytes(peer.received).count(END) for peer in scene.app.peers]

    assert (first.status, second.status) == (200, 200)
    assert second.find("X-From") == "fresh"
    assert asked == [2, 1]


@pytest.mark.parametrize("then", [close, reset])
@pytest.mark.parametrize(
    ("method", "body"),
    [("POST", b""), ("POST", b"hello"), ("PUT", b"hello"), ("DELETE", b""), ("GET", b"hello")],
)
async def test_request_that_may_have_worked_is_never_repeated(
    tmp_path: Path, method: str, body: bytes, then: Script
) -> None:
    async with set_scene(tmp_path, in_turn(ending_on_the_next(then), answering(FRESH))) as scene:
        await scene.ask(request())
        answer = await scene.ask(request(method, body=body))
        connections = len(scene.app.peers)

    assert (answer.status, answer.is_problem, connections) == (502, True, 1)


async def test_request_is_repeated_only_once(tmp_path: Path) -> None:
    script = in_turn(ending_on_the_next(close), saying(b"", close))
    async with set_scene(tmp_path, script) as scene:
        await scene.ask(request())
        answer = await scene.ask(request())
        asked = [bytes(peer.received).count(END) for peer in scene.app.peers]

    assert (answer.status, asked) == (502, [2, 1])


async def test_request_on_a_fresh_connection_is_not_repeated(tmp_path: Path) -> None:
    async with set_scene(tmp_path, in_turn(saying(b"", close), answering(FRESH))) as scene:
        answer = await scene.ask(request())
        connections = len(scene.app.peers)

    assert (answer.status, connections) == (502, 1)


async def test_request_is_not_repeated_once_an_answer_began(tmp_path: Path) -> None:
    async def answer_half(peer: Peer) -> None:
        await saying(OK, linger_for_one)(peer)
        await peer.send(b"HTTP/1.1 20")
        peer.reset()

    async def linger_for_one(peer: Peer) -> None:
        await peer.read_until(END, times=2)

    async with set_scene(tmp_path, in_turn(answer_half, answering(FRESH))) as scene:
        await scene.ask(request())
        answer = await scene.ask(request())
        connections = len(scene.app.peers)

    assert (answer.status, connections) == (502, 1)


async def test_several_stale_connections_cost_one_repetition(tmp_path: Path) -> None:
    together = asyncio.Barrier(3)

    async def script(peer: Peer) -> None:
        await peer.read_until(END)
        await together.wait()
        await peer.send(OK)
        await peer.read_until(END, times=2)
        peer.reset()

    async with set_scene(tmp_path, in_turn(script, script, script, answering(FRESH))) as scene:
        await asyncio.gather(*(scene.ask(request()) for _ in range(3)))
        answer = await scene.ask(request())
        connections = len(scene.app.peers)

    assert (answer.status, answer.body, connections) == (200, b"fresh", 4)


@pytest.mark.parametrize("then", [close, reset])
async def test_connection_that_the_app_ended_in_peace_is_not_used_for_a_post(
    tmp_path: Path, then: Script
) -> None:
    async with set_scene(tmp_path, in_turn(answering(OK), answering(FRESH))) as scene:
        await scene.ask(request())
        await then(scene.app.peers[0])
        answer = await scene.ask(request("POST", body=b"hello"))

    assert (answer.status, answer.body) == (200, b"fresh")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK + b"surplus", id="bytes after the length"),
        pytest.param(OK + EVIL, id="an answer after the length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + EVIL,
            id="an answer after the last chunk",
        ),
    ],
)
async def test_surplus_of_the_app_reaches_nobody(tmp_path: Path, answer: bytes) -> None:
    async with (
        set_scene(tmp_path, in_turn(saying(answer, linger), answering(FRESH))) as scene,
        scene.visit(request()) as (visitor, answers),
    ):
        first = await answers.next()
        await visitor.send(request())
        second = await answers.next()

    assert (first.body, first.is_whole) == (b"ok", True)
    assert second.body == b"fresh"


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        pytest.param("HEAD", OK, id="HEAD, sized"),
        pytest.param(
            "HEAD",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            id="HEAD, chunked",
        ),
        pytest.param("GET", b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL, id="204"),
        pytest.param("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", id="204+CL"),
        pytest.param(
            "GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok", id="304+CL"
        ),
        pytest.param(
            "GET",
            b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            id="304, chunked",
        ),
    ],
)
async def test_body_where_none_belongs_is_not_passed_on(
    tmp_path: Path, method: str, answer: bytes
) -> None:
    async with (
        set_scene(tmp_path, in_turn(saying(answer, linger), answering(FRESH))) as scene,
        scene.visit(request(method)) as (visitor, answers),
    ):
        first = await answers.next(method)
        await visitor.send(request())
        second = await answers.next()

    assert first.status == int(answer[9:12])
    assert (second.status, second.body) == (200, b"fresh")


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("GET", OK),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ],
)
async def test_late_surplus_is_not_the_next_answer(
    tmp_path: Path, method: str, head: bytes
) -> None:
    async with (
        set_scene(tmp_path, in_turn(saying(head, linger), answering(FRESH))) as scene,
        scene.visit(request(method)) as (visitor, answers),
    ):
        await answers.next(method)
        # The connection is kept by now; a time-out of the app's own server looks like this.
        await scene.app.peers[0].send(EVIL)
        await visitor.send(request())
        second = await answers.next()

    assert second.body == b"fresh"


async def test_answers_never_change_places(tmp_path: Path) -> None:
    async with set_scene(tmp_path, echo) as scene:

        async def visit(name: str) -> list[bytes]:
            async with scene.visit() as (visitor, answers):
                return [await ask_again(visitor, answers, f"{name}-{i}") for i in range(20)]

        async def ask_again(visitor: Peer, answers: Answers, path: str) -> bytes:
            await visitor.send(request("GET", path))
            return (await answers.next()).body

        told = await asyncio.gather(*(visit(name) for name in "abcdefghij"))

    assert told == [[f"{name}-{i}".encode() for i in range(20)] for name in "abcdefghij"]


async def test_app_that_says_close_is_not_asked_again(tmp_path: Path) -> None:
    last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with set_scene(tmp_path, in_turn(saying(last, linger), answering(FRESH))) as scene:
        first = await scene.ask(request("POST"))
        await until(scene.app.peers[0].reader.at_eof)
        second = await scene.ask(request("POST"))

    assert (first.body, second.body) == (b"ok", b"fresh")


async def test_app_of_http_1_0_is_not_asked_again(tmp_path: Path) -> None:
    old = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with set_scene(tmp_path, in_turn(saying(old, linger), answering(FRESH))) as scene:
        first = await scene.ask(request("POST"))
        second = await scene.ask(request("POST"))

    assert (first.body, second.body) == (b"ok", b"fresh")
