"""Visitors who leave, or say that they will send no more, at every point of a request."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.leaks import until
from tests.support.raw import Peer, answering
from tests.support.scene import END, OK, linger, path_of, request, set_scene

SIZED = request("POST", "", "Content-Length: 10")
CHUNKED = request("POST", "", "Transfer-Encoding: chunked")
PARTS_OF_UPLOADS = [
    pytest.param(SIZED, id="sized, nothing yet"),
    pytest.param(SIZED + b"hello", id="sized, a half"),
    pytest.param(CHUNKED, id="chunked, nothing yet"),
    pytest.param(CHUNKED + b"A", id="within a size"),
    pytest.param(CHUNKED + b"A\r\nhello", id="within a chunk"),
    pytest.param(CHUNKED + b"5\r\nhello", id="before the end of a chunk"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n", id="between two chunks"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\n", id="before the end of the trailers"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\nX-A: b\r\n", id="within the trailers"),
]


Go = Callable[[Peer], None]


class Watch:
    """An app that begins as told, and notes when its connection ends."""

    def __init__(self, beginning: bytes = b"") -> None:
        self.has_begun, self.has_ended = asyncio.Event(), asyncio.Event()
        self._beginning = beginning

    async def __call__(self, peer: Peer) -> None:
        await peer.read_until(END)
        await peer.send(self._beginning)
        self.has_begun.set()
        await linger(peer)
        self.has_ended.set()

    async def wait_for_begin(self) -> None:
        async with asyncio.timeout(5):
            await self.has_begun.wait()

    async def wait_for_end(self) -> None:
        async with asyncio.timeout(2):
            await self.has_ended.wait()


def leave(visitor: Peer) -> None:
    visitor.writer.close()


def vanish(visitor: Peer) -> None:
    visitor.reset()


def half_close(visitor: Peer) -> None:
    visitor.end()


@pytest.mark.parametrize("go", [leave, vanish, half_close])
@pytest.mark.parametrize("part", PARTS_OF_UPLOADS)
async def test_upload_that_ends_early_ends_the_apps_connection_and_is_not_whole(
    tmp_path: Path, part: bytes, go: Go
) -> None:
    app = Watch()
    async with set_scene(tmp_path, app) as scene, scene.visit(part) as (visitor, _):
        await app.wait_for_begin()
        go(visitor)
        await app.wait_for_end()
        received = scene.app.received

    # Neither the length nor a last chunk may say that this was all.
    body = received.split(END, 1)[1]
    assert len(body) < 10 or b"chunked" in part
    assert b"0\r\n\r\n" not in body
    assert not body.endswith(b"\r\n0\r\n")


@pytest.mark.parametrize("part", PARTS_OF_UPLOADS)
async def test_upload_that_is_half_closed_early_is_no_success(tmp_path: Path, part: bytes) -> None:
    async with set_scene(tmp_path, Watch()) as scene, scene.visit(part) as (visitor, _):
        visitor.end()
        raw = await visitor.read_to_end()

    assert raw == b"" or raw.startswith(b"HTTP/1.1 400 ")
    assert len(scene.app.peers) <= 1


async def test_vanished_visitor_ends_the_work_of_an_app_that_thinks(tmp_path: Path) -> None:
    app = Watch()
    async with set_scene(tmp_path, app) as scene, scene.visit(request()) as (visitor, _):
        await app.wait_for_begin()
        visitor.reset()
        await app.wait_for_end()


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
    ],
    ids=["sized", "chunked", "until close"],
)
async def test_vanished_visitor_ends_an_answer_that_pauses(
    tmp_path: Path, beginning: bytes
) -> None:
    app = Watch(beginning)
    async with set_scene(tmp_path, app) as scene, scene.visit(request()) as (visitor, _):
        await visitor.read_until(b"hello")
        visitor.reset()
        await app.wait_for_end()


@pytest.mark.parametrize("go", [leave, vanish])
async def test_visitor_who_is_gone_ends_an_endless_answer(tmp_path: Path, go: Go) -> None:
    ended = asyncio.Event()

    async def flood(peer: Peer) -> None:
        await peer.read_until(END)
        peer.writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                peer.writer.write(b"a" * 65_536)
                await peer.writer.drain()
        finally:
            ended.set()

    async with set_scene(tmp_path, flood) as scene, scene.visit(request()) as (visitor, _):
        await visitor.read_until(b"a" * 1000)
        go(visitor)
        async with asyncio.timeout(5):
            await ended.wait()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(request(), id="no body"),
        pytest.param(request("POST", body=b"hello"), id="sized"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", id="chunked"),
        pytest.param(request(version="1.0"), id="HTTP/1.0"),
    ],
)
async def test_visitor_who_half_closes_after_a_request_gets_the_answer(
    tmp_path: Path, raw: bytes
) -> None:
    may_answer = asyncio.Event()

    async def answer_late(peer: Peer) -> None:
        head = await peer.read_until(END)
        if path_of(head) != "other":
            await may_answer.wait()
        await peer.send(OK)
        await linger(peer)

    async with set_scene(tmp_path, answer_late) as scene, scene.visit(raw) as (visitor, answers):
        visitor.end()
        # When another was served, the gate has seen the end of the first.
        await scene.ask(request("GET", "other"))
        may_answer.set()
        answer = await answers.next()
        surplus = await answers.surplus()

    assert (answer.status, answer.body, answer.is_whole, surplus) == (200, b"ok", True, b"")


async def test_visitor_who_half_closes_after_three_requests_gets_three_answers(
    tmp_path: Path,
) -> None:
    async with (
        set_scene(tmp_path, answering(OK)) as scene,
        scene.visit(request() * 3) as (visitor, answers),
    ):
        visitor.end()
        told = [(await answers.next()).body for _ in range(3)]
        surplus = await answers.surplus()

    assert (told, surplus) == ([b"ok"] * 3, b"")


async def test_visitor_who_half_closed_is_not_waited_for_at_each_request_anew(
    tmp_path: Path,
) -> None:
    may_answer = asyncio.Event()

    async def answer_one(peer: Peer) -> None:
        await peer.read_until(END)
        await may_answer.wait()
        await peer.send(OK)
        await linger(peer)

    async with (
        set_scene(tmp_path, answer_one, half_closed_timeout_s=0.2) as scene,
        scene.visit(request() * 2) as (visitor, answers),
    ):
        await until(lambda: END in scene.app.received)
        visitor.end()
        await until(lambda: all(seen._half_closed for seen in scene.gate.server._open))
        may_answer.set()
        first = await answers.next()
        # The app thinks about the second for as long as it is let.
        async with asyncio.timeout(3):
            rest = await visitor.read_to_end()

    assert (first.status, rest.count(b"HTTP/1.1")) == (200, 1)


@pytest.mark.parametrize("part", [b"", b"G", b"GET /public/ HTTP/1.1\r\nHost: no"])
@pytest.mark.parametrize("go", [leave, vanish, half_close])
async def test_visitor_who_leaves_within_his_head_reaches_no_app(
    tmp_path: Path, part: bytes, go: Go
) -> None:
    async with set_scene(tmp_path, answering(OK)) as scene:
        async with scene.visit(part) as (visitor, _):
            go(visitor)
            if go is half_close:
                raw = await visitor.read_to_end()
                assert raw == b"" or raw.startswith(b"HTTP/1.1 400 ")
        other = await scene.ask(request())

    assert other.status == 200
    assert len(scene.app.peers) == 1


async def test_vanished_visitors_leave_their_places_to_others(tmp_path: Path) -> None:
    app, held = answering(OK), 0

    async def hold_some(peer: Peer) -> None:
        nonlocal held
        head = await peer.read_until(END)
        if path_of(head) == "held":
            held += 1
            await linger(peer)
            held -= 1
        else:
            await app(peer)

    async with set_scene(tmp_path, hold_some, upstream_connections=2) as scene:
        for _ in range(5):
            async with (
                scene.visit(request("GET", "held")) as (first, _),
                scene.visit(request("GET", "held")) as (second, _),
            ):
                await until(lambda: held == 2)
                first.reset()
                second.reset()
                await until(lambda: held == 0)
        answer = await scene.ask(request())

    assert answer.status == 200


async def test_visitor_who_waits_for_a_place_and_vanishes_takes_none(tmp_path: Path) -> None:
    app = Watch()
    async with (
        set_scene(tmp_path, app, upstream_connections=1) as scene,
        scene.visit(request()) as (first, _),
    ):
        await app.wait_for_begin()
        async with scene.visit(request()) as (second, _):
            second.reset()
        first.reset()
        await app.wait_for_end()

    assert len(scene.app.peers) <= 2
