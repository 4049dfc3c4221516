"""Apps that send without end or never read: the other side waits, and the gate's memory is flat."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.leaks import at_rest, held_by, until
from tests.support.raw import Peer, Script
from tests.support.scene import END, OK, linger, path_of, request, saying, set_scene

_PIECE = b"a" * 65_536
# What the gate may hold, of a flood fifty times as large. The kernel holds some too, and as
# much as it likes.
_BOUND = 1_000_000
_FLOOD = 800 * len(_PIECE)

FRAMINGS = {
    "sized": (b"Content-Length: %d\r\n\r\n" % _FLOOD, b""),
    "chunked": (b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n"),
    "until close": (b"\r\n", b""),
}


class Flood:
    """Sends `_FLOOD` bytes as fast as they are taken, and ends the connection."""

    def __init__(self, before_each: bytes = b"") -> None:
        self.sent = 0
        self.has_ended = asyncio.Event()
        self._is_chunked = bool(before_each)
        self._piece = before_each + _PIECE + b"\r\n" * self._is_chunked

    async def __call__(self, peer: Peer) -> None:
        hold_little(peer)
        try:
            while self.sent < _FLOOD:
                # Without the limit of `Peer.send`: to be blocked is the point.
                peer.writer.write(self._piece)
                await peer.writer.drain()
                self.sent += len(_PIECE)
            peer.writer.write(b"0\r\n\r\n" * self._is_chunked)
            await peer.close()
        finally:
            self.has_ended.set()


class Blocked:
    """Reads a head and then nothing until told to, and answers at the end."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()
        self.size = 0

    async def __call__(self, peer: Peer) -> None:
        await peer.read_until(END)
        await self.may_read.wait()
        self.size = len(peer.received.split(END, 1)[1])
        while self.size < _FLOOD:
            data = await peer.reader.read(1_000_000)
            if not data:
                return
            self.size += len(data)
        await peer.send(OK)
        await linger(peer)


def hold_little(peer: Peer) -> None:
    """Let the kernel keep little of what is sent, or is not read, at this end."""
    sock = peer.writer.get_extra_info("socket")
    for side in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, side, 65_536)


@pytest.mark.parametrize(("framing", "before_each"), FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_visitor_who_does_not_read_blocks_the_app(
    tmp_path: Path, framing: bytes, before_each: bytes
) -> None:
    flood = Flood(before_each)
    async with (
        set_scene(tmp_path, saying(b"HTTP/1.1 200 OK\r\n" + framing, flood)) as scene,
        scene.visit() as (visitor, _),
    ):
        hold_little(visitor)
        await visitor.send(request())
        await until(lambda: flood.sent)
        await at_rest(lambda: flood.sent)
        held = held_by(scene.gate)
        visitor.reset()
        async with asyncio.timeout(2):
            await flood.has_ended.wait()

    assert held < _BOUND


@pytest.mark.parametrize(("framing", "before_each"), FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_visitor_who_reads_late_gets_the_whole(
    tmp_path: Path, framing: bytes, before_each: bytes
) -> None:
    flood = Flood(before_each)
    script = saying(b"HTTP/1.1 200 OK\r\n" + framing, flood)
    # He pauses for longer than the app may be silent; but it is not the app that is.
    async with (
        set_scene(tmp_path, script, idle_timeout_s=1.0) as scene,
        scene.visit(request()) as (_, answers),
    ):
        await until(lambda: flood.sent)
        await at_rest(lambda: flood.sent, quiet_s=1.5)
        answer = await answers.next()

    assert (answer.status, len(answer.body), answer.is_whole) == (200, _FLOOD, True)


async def test_one_visitor_who_does_not_read_stops_no_other(tmp_path: Path) -> None:
    flood = Flood()
    framing, _ = FRAMINGS["sized"]

    async def by_path(peer: Peer) -> None:
        head = await peer.read_until(END)
        script: Script = flood if path_of(head) == "flood" else linger
        await peer.send(b"HTTP/1.1 200 OK\r\n" + framing if script is flood else OK)
        await script(peer)

    async with (
        set_scene(tmp_path, by_path) as scene,
        scene.visit(request("GET", "flood")) as (visitor, _),
    ):
        await until(lambda: flood.sent)
        await at_rest(lambda: flood.sent)
        answer = await scene.ask(request("GET", "other"))
        visitor.reset()

    assert (answer.status, answer.body) == (200, b"ok")


UPLOADS = {
    "sized": (f"Content-Length: {_FLOOD}", b""),
    "chunked": ("Transfer-Encoding: chunked", b"10000\r\n"),
}


@pytest.mark.parametrize(("field", "before_each"), UPLOADS.values(), ids=UPLOADS.keys())
async def test_app_that_does_not_read_blocks_the_visitor(
    tmp_path: Path, field: str, before_each: bytes
) -> None:
    app, flood = Blocked(), Flood(before_each)
    async with (
        set_scene(tmp_path, app) as scene,
        scene.visit(request("POST", "", field)) as (visitor, _),
    ):
        upload = asyncio.create_task(flood(visitor))
        await until(lambda: flood.sent)
        await at_rest(lambda: flood.sent)
        held = held_by(scene.gate)
        visitor.reset()
        # At the end of what was held, the app finds the end of the connection.
        app.may_read.set()
        with suppress(ConnectionError):
            await upload

    assert held < _BOUND


async def test_app_that_reads_late_gets_the_whole(tmp_path: Path) -> None:
    app, flood = Blocked(), Flood()

    async def upload_all(visitor: Peer) -> None:
        for _ in range(_FLOOD // len(_PIECE)):
            visitor.writer.write(_PIECE)
            await visitor.writer.drain()
            flood.sent += len(_PIECE)

    # He waits for longer than a visitor may be silent; but it is not the visitor who is.
    async with (
        set_scene(tmp_path, app, body_timeout_s=0.1) as scene,
        scene.visit(request("POST", "", UPLOADS["sized"][0])) as (visitor, answers),
    ):
        upload = asyncio.create_task(upload_all(visitor))
        await until(lambda: flood.sent)
        await at_rest(lambda: flood.sent)
        app.may_read.set()
        await upload
        answer = await answers.next()

    assert (answer.status, answer.body, app.size) == (200, b"ok", _FLOOD)
