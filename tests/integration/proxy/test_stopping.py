"""A gate that stops: what was asked is answered, and nobody is reset who could be heard."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from proxy.settings import ProxySettings
from tests.support.answers import Answers
from tests.support.gate import HOST, Running, run_gate
from tests.support.leaks import no_leaks, until
from tests.support.raw import Peer, raw_visitor, run_raw_app
from tests.support.scene import END, OK, request

# No test waits for so long: what it waits for comes first.
_LONG_S = 60.0


@dataclass
class Stopping:
    """A gate before an app that answers when `answered` is set; `heard` counts its requests."""

    gate: Running
    answered: asyncio.Event
    heard: Callable[[], int]

    async def stop(self, hurry: asyncio.Event | None = None) -> asyncio.Task[None]:
        """Let the gate begin to stop."""
        stopping = asyncio.create_task(self.gate.server.stop(hurry))
        await until(lambda: self.gate.server.is_draining)
        return stopping


@asynccontextmanager
async def about_to_stop(
    folder: Path,
    *,
    drain_s: float = _LONG_S,
    change: Callable[[ProxySettings], ProxySettings] = lambda settings: settings,
) -> AsyncIterator[Stopping]:
    answered = asyncio.Event()

    async def script(peer: Peer) -> None:
        times = 0
        while True:
            times += 1
            await peer.read_until(END, times=times)
            await answered.wait()
            await peer.send(OK)

    async with (
        run_raw_app(script) as app,
        run_gate(folder, upstreams=(app.url,), drain_s=drain_s, change=change) as gate,
        no_leaks(gate, app),
    ):
        yield Stopping(gate, answered, lambda: app.received.count(END))
        answered.set()


async def test_answer_that_begins_late_is_whole_and_the_last(tmp_path: Path) -> None:
    async with about_to_stop(tmp_path) as scene, raw_visitor(scene.gate.port) as visitor:
        await visitor.send(request())
        await until(lambda: scene.heard() == 1)
        stop = await scene.stop()
        scene.answered.set()
        answer = await Answers(visitor).next()
        await visitor.read_to_end()
        await visitor.close()
        await stop

    assert (answer.status, answer.body, answer.is_last) == (200, b"ok", True)


async def test_connection_between_two_requests_may_ask_once_more(tmp_path: Path) -> None:
    async with about_to_stop(tmp_path) as scene, raw_visitor(scene.gate.port) as visitor:
        scene.answered.set()
        answers = Answers(visitor)
        await visitor.send(request())
        before = await answers.next()
        stop = await scene.stop()
        await visitor.send(request())
        after = await answers.next()
        await visitor.read_to_end()
        await visitor.close()
        await stop

    assert (before.status, before.is_last) == (200, False)
    assert (after.status, after.is_last) == (200, True)


async def test_answer_of_our_own_says_that_it_is_the_last(tmp_path: Path) -> None:
    async with about_to_stop(tmp_path) as scene, raw_visitor(scene.gate.port) as visitor:
        await until(lambda: scene.gate.server.connections == 1)
        stop = await scene.stop()
        await visitor.send(b"GET /me/ HTTP/1.1\r\nHost: notes.localhost\r\n\r\n")
        answer = await Answers(visitor).next()
        await visitor.read_to_end()
        await visitor.close()
        await stop

    assert (answer.status, answer.is_last) == (401, True)


async def test_connection_that_asks_nothing_is_ended(tmp_path: Path) -> None:
    async with about_to_stop(tmp_path) as scene, raw_visitor(scene.gate.port) as visitor:
        await until(lambda: scene.gate.server.connections == 1)
        stop = await scene.stop()
        said = await visitor.read_to_end()
        await visitor.close()
        await stop

    assert said == b""


async def test_who_waited_to_be_accepted_is_answered(tmp_path: Path) -> None:
    async with about_to_stop(tmp_path) as scene:
        scene.answered.set()
        # Without a turn of the loop in between, so that nobody can have been accepted.
        waiting = [socket.create_connection(("127.0.0.1", scene.gate.port)) for _ in range(5)]
        for sock in waiting:
            sock.sendall(request())
        accepted = scene.gate.server.connections
        stop = await scene.stop()
        answers = []
        for sock in waiting:
            peer = Peer(*await asyncio.open_connection(sock=sock))
            answers.append(await Answers(peer).next())
            await peer.close()
        await stop

    assert accepted == 0
    assert [answer.status for answer in answers] == [200] * 5


async def test_nobody_new_is_let_in(tmp_path: Path) -> None:
    async with about_to_stop(tmp_path) as scene, raw_visitor(scene.gate.port) as visitor:
        await until(lambda: scene.gate.server.connections == 1)
        stop = await scene.stop()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", scene.gate.port)
        await visitor.close()
        await stop


@pytest.mark.parametrize("ends", ["time", "hurry", "cancel"])
async def test_what_does_not_end_is_cut(tmp_path: Path, ends: str) -> None:
    drain_s = 0.05 if ends == "time" else _LONG_S
    async with (
        about_to_stop(tmp_path, drain_s=drain_s) as scene,
        raw_visitor(scene.gate.port) as visitor,
    ):
        await visitor.send(request())
        await until(lambda: scene.heard() == 1)
        hurry = asyncio.Event()
        stop = await scene.stop(hurry)
        if ends == "hurry":
            hurry.set()
        elif ends == "cancel":
            stop.cancel()
        said = await visitor.read_to_end()
        await asyncio.wait([stop])

    assert said == b""
    assert stop.cancelled() is (ends == "cancel")


async def test_websocket_is_told_that_we_go_away(tmp_path: Path) -> None:
    async def talk(asked: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(asked)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/public/ws", talk)
    async with run_gate(tmp_path, app, drain_s=_LONG_S) as gate:
        async with gate.http.ws_connect(gate.url("/public/ws"), headers={"Host": HOST}) as ws:
            await ws.send_str("hello")
            assert (await ws.receive()).data == "hello"
            stop = asyncio.create_task(gate.server.stop())
            said = await ws.receive()
        await stop

    assert (said.type, said.data) == (aiohttp.WSMsgType.CLOSE, 1001)


async def test_gate_that_was_replaced_keeps_what_it_began(tmp_path: Path) -> None:
    async with about_to_stop(tmp_path) as scene, raw_visitor(scene.gate.port) as visitor:
        answers = Answers(visitor)
        await visitor.send(request())
        await until(lambda: scene.heard() == 1)
        server = scene.gate.server
        shorter = replace(server.settings, url_limit_bytes=16)
        folder = tmp_path / "other"
        folder.mkdir()
        async with run_gate(folder, change=lambda _: shorter) as other:
            server.adopt(other.server.gate, shorter, drain_s=1.0)
            scene.answered.set()
            under_way = await answers.next()
            await visitor.send(request(path="x" * 20))
            begun_later = await answers.next()

    assert under_way.status == 200
    assert begun_later.status in {400, 414}
