"""How WebSockets end: in whatever way one side goes, the other is told, or cut, and soon."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.frames import (
    AGREED,
    BINARY,
    CLOSE,
    FIN,
    HANDSHAKE,
    PING,
    TEXT,
    Frame,
    Frames,
    accept,
    close_with,
    echo_frames,
    frame,
    open_socket,
    opened,
)
from tests.support.leaks import until
from tests.support.raw import Peer
from tests.support.scene import END, Scene, linger, set_scene

HALF_A_FRAME = frame(FIN | BINARY, b"a" * 1000)[:500]
HALF_A_PING = frame(FIN | PING, b"a", mask=True)[:4]
Go = Callable[[Peer], Awaitable[None]]


async def leave(peer: Peer) -> None:
    await peer.close()


async def vanish(peer: Peer) -> None:
    peer.reset()


class Watching:
    """An app that agrees, says `first`, and then only notes what it hears until the end."""

    def __init__(self, first: bytes = b"") -> None:
        self.heard: list[Frame] = []
        self.peer: Peer | None = None
        self.has_ended = asyncio.Event()
        self._first = first

    async def __call__(self, peer: Peer) -> None:
        frames = await accept(peer, AGREED + self._first)
        self.peer = peer
        self.heard += await frames.all()
        self.has_ended.set()
        await peer.close()

    def passed(self, size: int) -> bool:
        """Tell whether a ping and so many bytes behind it have come."""
        if self.peer is None:
            return False
        _, _, behind = bytes(self.peer.received).partition(END)
        return len(behind) >= size + len(frame(FIN | PING, mask=True))


async def ended(app: Watching) -> list[int | None]:
    """Wait for the app's side to end, and return the codes of the close frames it got."""
    async with asyncio.timeout(10):
        await app.has_ended.wait()
    return [f.code for f in app.heard if f.opcode == CLOSE]


@pytest.mark.parametrize("go", [leave, vanish])
@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        (b"", [1001]),
        (frame(FIN | TEXT, b"a", mask=True), [1001]),
        (frame(TEXT, b"a", mask=True), [1001]),
        (HALF_A_PING, [1001]),
        (frame(FIN | BINARY, b"a" * 1000, mask=True)[:500], []),
        (close_with(4000, mask=True), [4000]),
    ],
    ids=["open", "message", "fragment", "half a ping", "half a frame", "closed"],
)
async def test_visitor_who_goes_is_told_of_or_the_app_is_cut(
    tmp_path: Path, go: Go, sent: bytes, codes: list[int]
) -> None:
    app = Watching()
    async with set_scene(tmp_path, app) as scene, open_socket(scene) as (visitor, _):
        # Of what is not a whole control frame nothing is passed on: the ping says it was read.
        await visitor.send(frame(FIN | PING, mask=True) + sent)
        await until(lambda: app.passed(len(sent) if sent != HALF_A_PING else 0))
        await go(visitor)
        found = await ended(app)

    assert found == codes


@pytest.mark.parametrize("go", [leave, vanish])
@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", 1011),
        (frame(FIN | TEXT, b"a"), 1011),
        (frame(TEXT, b"a"), 1011),
        (HALF_A_FRAME, None),
        (close_with(4000), 4000),
    ],
    ids=["open", "message", "fragment", "half a frame", "closed"],
)
async def test_app_that_goes_is_told_of_or_the_visitor_is_cut(
    tmp_path: Path, go: Go, said: bytes, code: int | None
) -> None:
    async def say_and_go(peer: Peer) -> None:
        await accept(peer, AGREED + said)
        # As soon as the visitor has it.
        await peer.read_until(frame(FIN | PING, mask=True))
        await go(peer)

    async with (
        set_scene(tmp_path, say_and_go) as scene,
        scene.visit(HANDSHAKE) as (visitor, answers),
    ):
        frames = await opened(visitor, answers)
        await visitor.read_until(said)
        await visitor.send(frame(FIN | PING, mask=True))
        received = await frames.all()

    codes = [f.code for f in received if f.opcode == CLOSE]
    assert codes == ([] if code is None else [code])


@pytest.mark.parametrize("go", [leave, vanish])
async def test_visitor_who_goes_before_the_agreement_ends_the_apps_work(
    tmp_path: Path, go: Go
) -> None:
    asked = asyncio.Event()

    async def think(peer: Peer) -> None:
        await peer.read_until(END)
        asked.set()
        await linger(peer)

    async with (
        set_scene(tmp_path, think, half_closed_timeout_s=0.1) as scene,
        scene.visit(HANDSHAKE) as (visitor, _),
    ):
        await asked.wait()
        await go(visitor)
        await until(lambda: not scene.gate.upstream.busy)

    assert scene.app.received.count(END) == 1


async def test_visitor_who_ends_behind_his_handshake_leaves_no_tunnel(tmp_path: Path) -> None:
    app = Watching()
    async with set_scene(tmp_path, app) as scene, scene.visit() as (visitor, answers):
        await visitor.send(HANDSHAKE)
        visitor.end()
        frames = await opened(visitor, answers)
        await frames.all()
        codes = await ended(app)

    assert codes == [1001]


async def test_visitor_who_half_closes_after_his_close_frame_gets_the_answer(
    tmp_path: Path,
) -> None:
    async with set_scene(tmp_path, echo_frames) as scene, open_socket(scene) as (visitor, frames):
        await frames.send(close_with(1000, b"done", mask=True))
        visitor.end()
        received = await frames.all()

    assert [f.payload for f in received] == [b"\x03\xe8done"]


async def test_app_that_does_not_close_after_its_visitor_vanished_is_cut(tmp_path: Path) -> None:
    told = asyncio.Event()

    async def stay(peer: Peer) -> None:
        frames = await accept(peer)
        assert (await frames.next()).code == 1001  # type: ignore[union-attr] # None fails too
        told.set()
        # Neither a close frame nor a close: only the gate can end this.
        with suppress(ConnectionError):
            while True:
                await peer.send(frame(FIN | PING))
                await asyncio.sleep(0)

    async with set_scene(tmp_path, stay) as scene:
        async with open_socket(scene) as (visitor, _):
            visitor.reset()
        await told.wait()
        await until(lambda: not scene.gate.upstream.tunnels, limit_s=20)


async def test_peers_that_do_not_close_after_a_bad_frame_are_cut(tmp_path: Path) -> None:
    async def stay(peer: Peer) -> None:
        await accept(peer)
        await linger(peer)

    async with set_scene(tmp_path, stay) as scene, open_socket(scene) as (visitor, frames):
        await visitor.send(b"\xff\xff")
        received = await frames.all()
        await until(lambda: not scene.gate.server.connections, limit_s=20)

    assert [f.code for f in received] == [1002]


@pytest.mark.parametrize("within", [b"", frame(TEXT, b"a")], ids=["between", "within a message"])
async def test_gate_that_stops_says_going_away_to_both(tmp_path: Path, within: bytes) -> None:
    app = Watching(within)
    async with set_scene(tmp_path, app) as scene, scene.visit(HANDSHAKE) as (visitor, answers):
        frames = await opened(visitor, answers)
        await visitor.read_until(within or END)
        stopping = asyncio.ensure_future(scene.gate.server.stop())
        received = await frames.all()
        codes = await ended(app)
        await visitor.close()
        await stopping

    assert [f.code for f in received if f.opcode == CLOSE] == [1001]
    assert codes == [1001]


async def test_gate_that_stops_waits_for_the_end_of_a_frame(tmp_path: Path) -> None:
    whole = frame(FIN | BINARY, b"a" * 1000)

    async def halve(peer: Peer) -> None:
        frames = await accept(peer, AGREED + whole[:500])
        await frames.next()
        await peer.send(whole[500:])
        await linger(peer)

    async with set_scene(tmp_path, halve) as scene, scene.visit(HANDSHAKE) as (visitor, answers):
        frames = await opened(visitor, answers)
        await visitor.read_until(whole[:500])
        stopping = asyncio.ensure_future(scene.gate.server.stop())
        received = [await frames.next(), await frames.next()]
        await visitor.close()
        await stopping

    assert [f.payload[:2] for f in received if f is not None] == [b"aa", b"\x03\xe9"]


async def test_messages_on_their_way_arrive_before_a_refusal(tmp_path: Path) -> None:
    async def answer_late(peer: Peer) -> None:
        frames = await accept(peer)
        heard = [await frames.next(), await frames.next()]
        assert [f.opcode for f in heard if f is not None] == [TEXT, CLOSE]
        await peer.send(frame(FIN | TEXT, b"late") + close_with(1002))
        await peer.close()

    async with set_scene(tmp_path, answer_late) as scene, open_socket(scene) as (visitor, frames):
        await visitor.send(frame(FIN | TEXT, b"early", mask=True) + b"\xff\xff")
        received = await frames.all()

    assert [f.payload for f in received[:-1]] == [b"late"]
    assert received[-1].code == 1002


async def test_close_frame_survives_a_visitor_who_goes_on_sending(tmp_path: Path) -> None:
    async def bye(peer: Peer) -> None:
        await accept(peer, AGREED + close_with(4003, b"bye"))
        await peer.close()

    async def babble(scene: Scene, visitor: Peer, frames: Frames) -> list[Frame]:
        for _ in range(50):
            await visitor.send(frame(FIN | BINARY, b"a" * 1000, mask=True))
            await asyncio.sleep(0)
        return await frames.all()

    async with set_scene(tmp_path, bye) as scene, open_socket(scene) as (visitor, frames):
        received = await babble(scene, visitor, frames)

    assert [f.code for f in received] == [4003]


async def test_data_behind_the_handshake_passes_both_ways(tmp_path: Path) -> None:
    heard: list[Frame | None] = []

    async def say_at_once(peer: Peer) -> None:
        frames = await accept(peer, AGREED + frame(FIN | TEXT, b"from the app"))
        heard.append(await frames.next())
        await peer.send(close_with(1000))
        await linger(peer)

    behind = frame(FIN | TEXT, b"from the visitor", mask=True)
    async with (
        set_scene(tmp_path, say_at_once) as scene,
        open_socket(scene, behind=behind) as (visitor, frames),
    ):
        received = await frames.next()
        await frames.next()
        await visitor.send(close_with(1000, mask=True))

    assert received is not None
    assert received.payload == b"from the app"
    assert [f.payload for f in heard if f is not None] == [b"from the visitor"]
