"""Long messages and slow readers: either side stops the other, and the gate holds little."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.frames import (
    BINARY,
    FIN,
    Frames,
    accept,
    close_with,
    frame,
    open_socket,
)
from tests.support.gate import Running
from tests.support.leaks import at_rest, held_by, until
from tests.support.raw import Peer
from tests.support.scene import linger, set_scene

_PIECE = 65_536
_LONG = 64 * 1024 * 1024
# What the gate may hold of it; the kernel holds some too, and as much as it likes.
_BOUND = 1_000_000

SIZES = {"one message": _LONG, "many messages": 10_000}


def messages(size: int, *, mask: bool) -> Iterator[bytes]:
    """Give 64 MB in messages of a size, in pieces of about 64 KB; masked with zeros."""
    whole = frame(FIN | BINARY, bytes(size), mask=mask, key=bytes(4))
    if size < _PIECE:
        whole *= _PIECE // size
    for _ in range(max(1, _LONG // len(whole))):
        for at in range(0, len(whole), _PIECE):
            yield whole[at : at + _PIECE]


def hold_little(peer: Peer) -> None:
    """Let the kernel keep little at this end."""
    sock = peer.writer.get_extra_info("socket")
    for side in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, side, 65_536)


class Flood:
    """Sends messages as fast as they are taken."""

    def __init__(self, size: int, *, mask: bool) -> None:
        self.sent = 0
        self.total = sum(map(len, messages(size, mask=mask)))
        self._size = size
        self._mask = mask

    async def run(self, peer: Peer) -> None:
        """Send all; without the limit of `Peer.send`, since to be blocked is the point."""
        for piece in messages(self._size, mask=self._mask):
            if peer.writer.is_closing():
                return
            peer.writer.write(piece)
            await peer.writer.drain()
            self.sent += len(piece)


async def take(peer: Peer, total: int, begun: int, gate: Running) -> int:
    """Read so many bytes and forget them; return the most that the gate held meanwhile."""
    left, most = total - begun, 0
    while left > 0:
        data = await peer.reader.read(1_000_000)
        assert data, f"ended {left} bytes too early"
        left -= len(data)
        most = max(most, held_by(gate))
    return most


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
async def test_64_megabytes_of_the_visitor_arrive_and_the_gate_holds_little(
    tmp_path: Path, size: int
) -> None:
    flood = Flood(size, mask=True)
    most: list[int] = []

    async def read(peer: Peer) -> None:
        await accept(peer)
        _, _, behind = bytes(peer.received).partition(b"\r\n\r\n")
        most.append(await take(peer, flood.total, len(behind), scene.gate))
        await peer.send(close_with(1000))
        await linger(peer)

    async with set_scene(tmp_path, read) as scene, open_socket(scene) as (visitor, frames):
        await flood.run(visitor)
        last = await frames.next()

    assert last is not None
    assert last.code == 1000
    assert max(most) < _BOUND


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
async def test_64_megabytes_of_the_app_arrive_and_the_gate_holds_little(
    tmp_path: Path, size: int
) -> None:
    flood = Flood(size, mask=False)

    async def send(peer: Peer) -> None:
        await accept(peer)
        await flood.run(peer)
        await linger(peer)

    async with set_scene(tmp_path, send) as scene, open_socket(scene) as (visitor, _):
        _, _, behind = bytes(visitor.received).partition(b"\r\n\r\n")
        most = await take(visitor, flood.total, len(behind), scene.gate)
        await visitor.send(close_with(1000, mask=True))

    assert most < _BOUND


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
async def test_visitor_who_does_not_read_blocks_the_app(tmp_path: Path, size: int) -> None:
    flood = Flood(size, mask=False)

    async def send(peer: Peer) -> None:
        hold_little(peer)
        await accept(peer)
        await flood.run(peer)

    async with set_scene(tmp_path, send) as scene, open_socket(scene) as (visitor, _):
        hold_little(visitor)
        await until(lambda: flood.sent)
        sent = await at_rest(lambda: flood.sent)
        held = held_by(scene.gate)
        visitor.reset()

    assert held < _BOUND
    assert sent < flood.total


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
async def test_app_that_does_not_read_blocks_the_visitor(tmp_path: Path, size: int) -> None:
    flood = Flood(size, mask=True)
    may_read = asyncio.Event()

    async def stall(peer: Peer) -> None:
        hold_little(peer)
        await accept(peer)
        await may_read.wait()
        await linger(peer)

    async with set_scene(tmp_path, stall) as scene, open_socket(scene) as (visitor, _):
        hold_little(visitor)
        sending = asyncio.ensure_future(flood.run(visitor))
        await until(lambda: flood.sent)
        sent = await at_rest(lambda: flood.sent)
        held = held_by(scene.gate)
        visitor.reset()
        may_read.set()
        with suppress(ConnectionError):
            await sending

    assert held < _BOUND
    assert sent < flood.total


async def test_one_way_goes_on_while_the_other_is_blocked(tmp_path: Path) -> None:
    flood = Flood(10_000, mask=False)
    heard: list[Frames] = []

    async def send_and_hear(peer: Peer) -> None:
        hold_little(peer)
        heard.append(await accept(peer))
        sending = asyncio.ensure_future(flood.run(peer))
        while await heard[0].next() is not None:
            counted.append(1)
        with suppress(ConnectionError):
            await sending

    counted: list[int] = []
    async with set_scene(tmp_path, send_and_hear) as scene, open_socket(scene) as (visitor, _):
        hold_little(visitor)
        await until(lambda: flood.sent)
        await at_rest(lambda: flood.sent)
        for _ in range(100):
            await visitor.send(frame(FIN | BINARY, b"still here", mask=True))
        await until(lambda: len(counted) == 100)
        visitor.reset()


async def test_visitor_who_takes_nothing_in_for_too_long_is_cut(tmp_path: Path) -> None:
    flood = Flood(10_000, mask=False)

    async def send(peer: Peer) -> None:
        await accept(peer)
        with suppress(ConnectionError):
            await flood.run(peer)

    async with (
        set_scene(tmp_path, send, write_timeout_s=0.2) as scene,
        open_socket(scene) as (visitor, _),
    ):
        visitor.writer.transport.pause_reading()  # type: ignore[attr-defined] # it is of both ways
        await until(lambda: not scene.gate.server.connections)
        visitor.reset()


async def test_stop_cuts_a_visitor_who_does_not_read(tmp_path: Path) -> None:
    flood = Flood(_LONG, mask=False)

    async def send(peer: Peer) -> None:
        await accept(peer)
        with suppress(ConnectionError):
            await flood.run(peer)

    async with set_scene(tmp_path, send) as scene, open_socket(scene) as (visitor, _):
        hold_little(visitor)
        await until(lambda: flood.sent)
        await at_rest(lambda: flood.sent)
        await scene.gate.server.stop()
        open_after = scene.gate.server.connections
        visitor.reset()

    assert open_after == 0
