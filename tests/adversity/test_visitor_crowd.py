"""Many visitors at once: those who do nothing keep nobody out, and nobody gets another's answer."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.answers import Requests
from tests.support.leaks import until
from tests.support.raw import Peer, answering
from tests.support.scene import END, OK, Scene, echo, linger, request, set_scene

_CROWD = 500


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Both ends of every connection are open in this one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * _CROWD if hard == resource.RLIM_INFINITY else min(hard, 4 * _CROWD)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def crowd(scene: Scene, raw: bytes = b"") -> AsyncIterator[list[Peer]]:
    async with AsyncExitStack() as stack:
        visits = [await stack.enter_async_context(scene.visit(raw)) for _ in range(_CROWD)]
        yield [visitor for visitor, _ in visits]


@pytest.mark.parametrize(
    "raw",
    [b"", b"GET /pub", request("POST", "", "Content-Length: 10")[:-2]],
    ids=["nothing", "a part of a head", "a head but for its end"],
)
async def test_crowd_that_does_nothing_keeps_nobody_out(tmp_path: Path, raw: bytes) -> None:
    async with set_scene(tmp_path, answering(OK)) as scene, crowd(scene, raw):
        async with asyncio.timeout(30):
            answer = await scene.ask(request())

    assert (answer.status, answer.body) == (200, b"ok")


async def test_crowd_that_vanishes_at_once_leaves_nothing(tmp_path: Path) -> None:
    async with set_scene(tmp_path, answering(OK)) as scene:
        async with crowd(scene, b"GET /pub") as visitors:
            for visitor in visitors:
                visitor.reset()
        answer = await scene.ask(request())

    assert answer.status == 200


async def test_crowd_that_asks_at_once_gets_everybody_his_own(tmp_path: Path) -> None:
    async with set_scene(tmp_path, echo, upstream_connections=8, connect_timeout_s=60) as scene:
        asked = [scene.ask(request("GET", f"{i}")) for i in range(_CROWD)]
        told = await asyncio.gather(*asked)
        connections = len(scene.app.peers)

    assert [answer.body for answer in told] == [b"%d" % i for i in range(_CROWD)]
    assert connections <= 8


async def test_visitor_who_pipelines_does_not_jump_the_queue(tmp_path: Path) -> None:
    told, begun = asyncio.Event(), []

    async def think(peer: Peer) -> None:
        requests = Requests(peer)
        while (asked := await requests.next_request()).is_whole:
            begun.append(asked.target)
            await told.wait()
            await peer.send(OK)

    async with (
        set_scene(tmp_path, think, upstream_connections=1) as scene,
        scene.visit(request("GET", "a") * 3) as (_, answers),
        scene.visit() as (other, others),
    ):
        await until(lambda: begun)
        await other.send(request("GET", "b"))
        await until(lambda: scene.gate.upstream._waiting)
        told.set()
        statuses = {(await answers.next()).status for _ in range(3)}
        statuses.add((await others.next()).status)
        connections = len(scene.app.peers)

    assert statuses == {200}
    assert [target.removeprefix("/public/") for target in begun] == ["a", "b", "a", "a"]
    # The place that had become free was taken by who pipelined, and one more was made.
    assert connections == 1


async def test_crowd_that_waits_for_places_and_vanishes_takes_none(tmp_path: Path) -> None:
    async def think(peer: Peer) -> None:
        await peer.read_until(END)
        await linger(peer)

    async with (
        set_scene(tmp_path, think, upstream_connections=4) as scene,
        crowd(scene, request()) as visitors,
    ):
        for visitor in visitors:
            visitor.reset()

    # Whoever was gone before his turn came, was not asked for.
    assert len(scene.app.peers) < _CROWD


async def test_visitor_who_connects_and_closes_again_and_again_harms_nobody(
    tmp_path: Path,
) -> None:
    async with set_scene(tmp_path, answering(OK)) as scene:
        for _ in range(_CROWD):
            async with scene.visit():
                pass
        answer = await scene.ask(request())

    assert answer.status == 200
    assert len(scene.app.peers) == 1
