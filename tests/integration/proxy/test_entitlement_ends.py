"""Answers that go on for long when their client may not have them any more: ended, or cut."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from policies.model import Snapshot, Unknown
from proxy.stream import Stream
from tests.support.answers import Answers
from tests.support.gate import HOST, SESSION
from tests.support.leaks import until
from tests.support.raw import Peer, Script
from tests.support.scene import END, OK, Scene, in_turn, linger, request, saying, set_scene
from tests.support.snapshots import CLIENT, NOW, make_block, make_grant, make_snapshot

PAID = make_snapshot(make_grant())
ENDED = make_snapshot(make_grant(until_at=NOW), version=2)
RENEWED = make_snapshot(make_grant(until_at=None), version=2)

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


def asked(path: str = "", method: str = "GET", *, version: str = "1.1") -> bytes:
    """Return a request of a client who has paid."""
    raw = request(method, path, f"Cookie: tollway={SESSION}", version=version)
    return raw.replace(b"/public/", b"/paid/")


class Saying:
    """An app that says its pieces, each when it is told to."""

    def __init__(self, *pieces: bytes) -> None:
        self.go = asyncio.Semaphore(1)
        self.has_ended = asyncio.Event()
        self._pieces = pieces

    async def __call__(self, peer: Peer) -> None:
        await peer.read_until(END)
        for piece in self._pieces:
            await self.go.acquire()
            await peer.send(piece)
        await linger(peer)
        self.has_ended.set()


@asynccontextmanager
async def set_paid_scene(folder: Path, script: Script) -> AsyncIterator[Scene]:
    async with set_scene(folder, script) as scene:
        scene.gate.sessions.live[SESSION, HOST] = CLIENT
        scene.gate.facts.truth[CLIENT] = scene.gate.facts.cached[CLIENT] = PAID
        yield scene


@asynccontextmanager
async def begun(
    folder: Path, app: Saying, until_it_has: bytes, *, raw: bytes | None = None
) -> AsyncIterator[tuple[Scene, Peer, Answers]]:
    """Ask, and go on once so much of the answer has come and it is watched."""
    async with (
        set_paid_scene(folder, app) as scene,
        scene.visit(raw or asked()) as (visitor, answers),
    ):
        await visitor.read_until(until_it_has)
        await until(lambda: len(scene.gate.streams))
        yield scene, visitor, answers


# Streams of events.


async def test_events_end_between_two_and_the_connection_lives_on(tmp_path: Path) -> None:
    app = Saying(EVENTS + b"data: 1\n\n")
    async with begun(tmp_path, app, b"data: 1\n\n") as (scene, visitor, answers):
        scene.gate.facts.change(ENDED)
        told = await answers.next()
        await visitor.send(asked())
        again = await answers.next()
        async with asyncio.timeout(10):
            await app.has_ended.wait()

    assert (told.status, told.body, told.is_whole) == (200, b"data: 1\n\n", True)
    assert again.status == 402
    lines = [(line["status"], line["outcome"]) for line in scene.gate.logged()]
    assert lines == [(200, "pay"), (402, "pay")]


async def test_event_under_way_comes_whole_and_nothing_behind_it(tmp_path: Path) -> None:
    app = Saying(EVENTS + b"data: 1\n\ndata: ", b"2\r\n", b"\r\ndata: 3\n\n")
    async with begun(tmp_path, app, b"data: ") as (scene, _, answers):
        scene.gate.facts.change(ENDED)
        await until(lambda: any(s.is_called_off for s in watched(scene)))
        app.go.release()
        app.go.release()
        told = await answers.next()

    assert (told.body, told.is_whole) == (b"data: 1\n\ndata: 2\r\n\r\n", True)


async def test_event_that_does_not_end_is_cut(tmp_path: Path) -> None:
    app = Saying(EVENTS + b"data: ")
    async with begun(tmp_path, app, b"data: ") as (scene, _, answers):
        scene.gate.facts.change(ENDED)
        told = await answers.next()

    assert (told.body, told.is_whole) == (b"data: ", False)


async def test_events_for_http_1_0_end_with_the_connection(tmp_path: Path) -> None:
    app = Saying(EVENTS + b"data: 1\n\n")
    raw = asked(version="1.0")
    async with begun(tmp_path, app, b"data: 1\n\n", raw=raw) as (scene, _, answers):
        scene.gate.facts.change(ENDED)
        told = await answers.next()

    assert (told.body, told.is_whole) == (b"data: 1\n\n", True)


async def test_events_of_who_renews_go_on(tmp_path: Path) -> None:
    app = Saying(EVENTS + b"data: 1\n\n", b"data: 2\n\n")
    async with begun(tmp_path, app, b"data: 1\n\n") as (scene, visitor, _):
        scene.gate.facts.change(RENEWED)
        await until(lambda: all(stream.end is None for stream in watched(scene)))
        scene.gate.clock.move(days=30)
        app.go.release()
        received = await visitor.read_until(b"data: 2\n\n")
        visitor.reset()

    assert received.count(b"data: ") == 2


async def test_events_to_who_was_refused_meanwhile_end_with_their_head(tmp_path: Path) -> None:
    app = Saying(EVENTS + b"data: 1\n\n")
    app.go = asyncio.Semaphore(0)
    async with set_paid_scene(tmp_path, app) as scene, scene.visit(asked()) as (_, answers):
        await until(lambda: scene.app.received)
        # Known already, and without a notice: only a look at the beginning finds it.
        scene.gate.facts.cached[CLIENT] = ENDED
        app.go.release()
        told = await answers.next()

    assert told.body in {b"", b"data: 1\n\n"}
    assert told.is_whole or told.status == 402


@pytest.mark.parametrize("pieces", [(b"data: 1\n\n",), (b"data: 1\n", b"\ndata: 2\n\n")])
async def test_warning_is_an_event_of_its_own_between_two(
    tmp_path: Path, pieces: tuple[bytes, ...]
) -> None:
    app = Saying(EVENTS + pieces[0], *pieces[1:])
    raw = asked().replace(b"/paid/", b"/warned/")
    warning = b'event: entitlement-ending\ndata: {"reason": "grant_ended", "ends_in_s": 60}\n\n'
    async with begun(tmp_path, app, pieces[0], raw=raw) as (scene, visitor, answers):
        scene.gate.facts.change(ENDED)
        await until(lambda: all(stream.is_warned for stream in watched(scene)))
        app.go.release()
        await visitor.read_until(warning if len(pieces) == 1 else b"data: 2\n\n")
        scene.gate.clock.move(seconds=60)
        told = await answers.next()

    whole = b"".join(pieces)
    first, rest = whole[: len(b"data: 1\n\n")], whole[len(b"data: 1\n\n") :]
    assert told.body in {first + warning + rest, whole + warning}
    assert told.is_whole


# Other answers.


@pytest.mark.parametrize(
    "answer",
    [
        LONG + b"part",
        CHUNKED + b"4\r\npart\r\n",
        b"HTTP/1.1 200 OK\r\n\r\npart",
        EVENTS.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
        + gzip.compress(b"data: 1\n\n")
        + b"part",
    ],
    ids=["length", "chunks", "close", "coded events"],
)
async def test_long_answer_is_cut_so_that_it_is_not_taken_for_whole(
    tmp_path: Path, answer: bytes
) -> None:
    app = Saying(answer)
    async with begun(tmp_path, app, b"part") as (scene, _, answers):
        scene.gate.facts.change(ENDED)
        told = await answers.next()
        async with asyncio.timeout(10):
            await app.has_ended.wait()

    assert not told.is_whole


async def test_download_goes_no_further_than_its_clients_time(tmp_path: Path) -> None:
    app = Saying(LONG + b"part")
    async with begun(tmp_path, app, b"part") as (scene, _, answers):
        scene.gate.clock.move(days=1)
        told = await answers.next()

    assert not told.is_whole


async def test_download_to_who_signs_out_is_cut(tmp_path: Path) -> None:
    app = Saying(LONG + b"part")
    async with begun(tmp_path, app, b"part") as (scene, _, answers):
        scene.gate.sessions.sign_out(SESSION, HOST)
        told = await answers.next()

    assert not told.is_whole


async def test_download_to_who_signs_out_is_cut_though_no_store_answers(tmp_path: Path) -> None:
    app = Saying(LONG + b"part")
    async with begun(tmp_path, app, b"part") as (scene, _, answers):
        scene.gate.sessions.is_down = True
        scene.gate.sessions.sign_out(SESSION, HOST)
        told = await answers.next()

    assert not told.is_whole
    assert [line["reason"] for line in scene.gate.logged()] == ["session_ended"]


@pytest.mark.parametrize(
    ("then", "status"),
    [(ENDED, 402), (make_snapshot(make_grant(), make_block(), version=2), 403)],
    ids=["ended", "barred"],
)
async def test_poll_without_an_answer_is_refused_as_a_new_request_would_be(
    tmp_path: Path, then: Snapshot, status: int
) -> None:
    app = Saying()
    async with set_paid_scene(tmp_path, app) as scene, scene.visit(asked()) as (_, answers):
        await until(lambda: len(scene.gate.streams))
        scene.gate.facts.change(then)
        told = await answers.next()

    assert (told.status, told.is_problem) == (status, True)


async def test_work_that_the_app_does_is_heard_of(tmp_path: Path) -> None:
    app = Saying(OK)
    app.go = asyncio.Semaphore(0)
    async with (
        set_paid_scene(tmp_path, app) as scene,
        scene.visit(asked("", "POST")) as (_, answers),
    ):
        await until(lambda: len(scene.gate.streams))
        scene.gate.facts.change(ENDED)
        await until(lambda: any(s.is_called_off for s in watched(scene)))
        app.go.release()
        told = await answers.next("POST")

    assert (told.status, told.body) == (200, b"ok")


async def test_long_answer_to_such_work_is_cut(tmp_path: Path) -> None:
    app = Saying(LONG + b"part")
    app.go = asyncio.Semaphore(0)
    async with (
        set_paid_scene(tmp_path, app) as scene,
        scene.visit(asked("", "POST")) as (_, answers),
    ):
        await until(lambda: len(scene.gate.streams))
        scene.gate.facts.change(ENDED)
        await until(lambda: any(s.is_called_off for s in watched(scene)))
        app.go.release()
        told = await answers.next("POST")

    assert not told.is_whole
    assert [line["reason"] for line in scene.gate.logged()] == ["grant_ended"]


async def test_mistake_in_a_look_leaves_nobody_elses_open(tmp_path: Path) -> None:
    app = Saying(LONG + b"part")
    async with begun(tmp_path, app, b"part") as (scene, _, answers):
        facts = scene.gate.facts
        read, calls = facts.read, []

        async def fail_once(client_id: str) -> object:
            calls.append(client_id)
            if len(calls) == 1:
                raise RuntimeError(client_id)
            return await read(client_id)

        facts.read = fail_once  # type: ignore[assignment, method-assign] # a mistake of ours
        facts.change(ENDED)
        told = await answers.next()

    assert len(calls) == 2
    assert not told.is_whole


async def test_look_that_comes_back_late_undoes_no_later_one(tmp_path: Path) -> None:
    app = Saying(EVENTS + b"data: 1\n\n")
    async with begun(tmp_path, app, b"data: 1\n\n") as (scene, visitor, _):
        facts, late, is_late = scene.gate.facts, asyncio.Event(), asyncio.Event()
        read = facts.read

        async def dawdle(client_id: str) -> Snapshot | Unknown:
            found = await read(client_id)
            if found is ENDED:
                late.set()
                await is_late.wait()
            return found

        facts.read = dawdle  # type: ignore[method-assign] # as slow as a network may be
        facts.change(ENDED)
        await late.wait()
        facts.change(make_snapshot(make_grant(until_at=None), version=3))
        await until(lambda: all(stream.end is None for stream in watched(scene)))
        is_late.set()
        await until(lambda: not scene.gate.streams._news._tasks)
        is_open = [not stream.is_called_off for stream in watched(scene)]
        visitor.reset()

    assert is_open == [True]


async def test_look_that_comes_back_after_the_end_harms_no_later_answer(tmp_path: Path) -> None:
    is_over, is_late, goes_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def end_events(peer: Peer) -> None:
        await is_over.wait()
        await peer.close()

    async def say_the_rest(peer: Peer) -> None:
        await goes_on.wait()
        await peer.send(b"lf")
        await linger(peer)

    app = in_turn(
        saying(EVENTS + b"data: 1\n\n", end_events),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha", say_the_rest),
    )
    async with set_paid_scene(tmp_path, app) as scene, scene.visit(asked()) as (visitor, answers):
        await visitor.read_until(b"data: 1")
        await until(lambda: len(scene.gate.streams))

        find_client = scene.gate.sessions.find_client

        async def dawdle(token: str, host: str) -> str | None:
            await is_late.wait()
            return await find_client(token, host)

        scene.gate.sessions.find_client = dawdle  # type: ignore[method-assign] # a slow network
        scene.gate.sessions.sign_out(SESSION, HOST)
        is_over.set()
        events = await answers.next()
        await visitor.send(request())
        await visitor.read_until(b"ha")
        is_late.set()
        await until(lambda: not scene.gate.streams._news._tasks)
        goes_on.set()
        later = await answers.next()

    assert (events.body, events.is_whole) == (b"data: 1\n\n", True)
    assert (later.body, later.is_whole) == (b"half", True)
    assert len(scene.gate.logged()) == 2


def watched(scene: Scene) -> list[Stream]:
    """Return the streams that are watched."""
    return [stream for group in scene.gate.streams._groups.values() for stream in group.streams]
