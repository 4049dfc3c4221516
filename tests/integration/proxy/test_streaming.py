"""HTTP as its users expect it to pass a proxy: piece by piece, and byte for byte."""

import asyncio
import gzip
from pathlib import Path

import pytest

from tests.support.answers import Requests
from tests.support.raw import Peer, Script, answering
from tests.support.scene import END, OK, echo, linger, request, saying, set_scene

BODY = b"a" * 1000
EXPECTING = request("POST", "", "Expect: 100-continue", f"Content-Length: {len(BODY)}")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


# Chunks.


async def test_chunks_that_come_together_go_on_together(tmp_path: Path) -> None:
    upload = request("POST", "", "Transfer-Encoding: chunked")
    raw = upload + b"1\r\na\r\n" * 1000 + b"0\r\n\r\n"

    async with set_scene(tmp_path, echo) as scene:
        told = await scene.ask(raw)
        received = scene.app.received

    assert told.body == b"a" * 1000
    # One by one they would cost a system call each.
    assert received.count(b"\r\n1\r\n") < 10


# HTTP/1.0.


@pytest.mark.parametrize(
    ("field", "told"), [("Connection: keep-alive", "keep-alive"), ("Connection: x", "close")]
)
async def test_visitor_of_http_1_0_keeps_his_connection_if_he_asks_to(
    tmp_path: Path, field: str, told: str
) -> None:
    asked = request("GET", "", field, version="1.0")
    async with set_scene(tmp_path, answering(OK)) as scene, scene.visit(asked) as (peer, answers):
        first = await answers.next()
        if told == "keep-alive":
            await peer.send(asked)
            second = await answers.next()
            assert second.body == b"ok"
            peer.end()
        rest = await answers.surplus()

    assert (first.body, first.find("Connection"), rest) == (b"ok", told, b"")


async def test_answer_without_length_ends_a_kept_connection_of_http_1_0(tmp_path: Path) -> None:
    async with set_scene(
        tmp_path, answering(CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
    ) as scene:
        told = await scene.ask(request("GET", "", "Connection: keep-alive", version="1.0"))

    assert (told.body, told.find("Connection"), told.is_whole) == (b"ok", "close", True)


# Expect: 100-continue.


async def test_upload_begins_when_the_app_asks_for_it(tmp_path: Path) -> None:
    async def ask_for_it(peer: Peer) -> None:
        head = await peer.read_until(END)
        assert b"Expect: 100-continue\r\n" in head
        assert not head.partition(END)[2]
        await peer.send(CONTINUE)
        await peer.read_until(BODY)
        await peer.send(OK)
        await linger(peer)

    async with (
        set_scene(tmp_path, ask_for_it) as scene,
        scene.visit(EXPECTING) as (visitor, answers),
    ):
        status, _ = await answers.head()
        await visitor.send(BODY)
        told = await answers.next()

    assert (status, told.status) == (100, 200)


@pytest.mark.parametrize("status", [401, 413, 417])
async def test_upload_that_the_app_refuses_is_never_sent(tmp_path: Path, status: int) -> None:
    refusal = b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status
    async with (
        set_scene(tmp_path, saying(refusal, linger)) as scene,
        scene.visit(EXPECTING) as (_, answers),
    ):
        told = await answers.next()
        rest = await answers.surplus()

    # What comes next on the connection could be the upload or a request: it ends.
    assert (told.status, told.interim, told.body, told.is_last) == (status, (), b"no", True)
    assert rest == b""
    assert not scene.app.received.partition(END)[2]


@pytest.mark.parametrize("waits", [True, False], ids=["late", "at once"])
async def test_upload_comes_also_without_being_asked_for(tmp_path: Path, waits: bool) -> None:
    asked = EXPECTING if waits else EXPECTING + BODY
    async with set_scene(tmp_path, echo) as scene, scene.visit(asked) as (visitor, answers):
        if waits:
            while END not in scene.app.received:  # noqa: ASYNC110 - the kernel sets no Event
                await asyncio.sleep(0)
            await visitor.send(BODY)
        told = await answers.next("POST")

    assert (told.status, told.interim, told.body) == (200, (), BODY)


# Bodies in chunks.


async def test_trailers_of_the_app_pass_unless_they_decide_something(tmp_path: Path) -> None:
    trailers = b"X-Sum: 1\r\nServer-Timing: a;dur=2\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n"
    answer = CHUNKED + b"2\r\nok\r\n0\r\n" + trailers + b"\r\n"
    async with (
        set_scene(tmp_path, answering(answer)) as scene,
        scene.visit(request()) as (visitor, _),
    ):
        received = await visitor.read_until(END, times=2)

    assert received.partition(END)[2] == (
        b"2\r\nok\r\n0\r\nX-Sum: 1\r\nServer-Timing: a;dur=2\r\n\r\n"
    )


async def test_trailers_of_the_visitor_pass_unless_they_decide_something(tmp_path: Path) -> None:
    upload = b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Entitlement-Plan: gold\r\nCookie: a=b\r\n\r\n"

    async def read(peer: Peer) -> None:
        await peer.read_until(END, times=2)
        await peer.send(OK)
        await linger(peer)

    asked = request("POST", "", "Transfer-Encoding: chunked") + upload
    async with set_scene(tmp_path, read) as scene:
        told = await scene.ask(asked)
        received = scene.app.received

    assert told.status == 200
    assert received.partition(END)[2] == b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"


async def test_piece_of_either_side_passes_before_the_next_is_sent(tmp_path: Path) -> None:
    async def answer_each(peer: Peer) -> None:
        await peer.read_until(END)
        await peer.send(CHUNKED)
        for n in range(5):
            await peer.read_until(b"piece %d" % n)
            await peer.send(b"8\r\nanswer %d\r\n" % n)
        await peer.read_until(b"0\r\n\r\n")
        await peer.send(b"0\r\n\r\n")
        await linger(peer)

    asked = request("POST", "", "Transfer-Encoding: chunked")
    async with (
        set_scene(tmp_path, answer_each) as scene,
        scene.visit(asked) as (visitor, answers),
    ):
        for n in range(5):
            await visitor.send(b"7\r\npiece %d\r\n" % n)
            await visitor.read_until(b"answer %d" % n)
        await visitor.send(b"0\r\n\r\n")
        told = await answers.next("POST")

    assert told.body == b"".join(b"answer %d" % n for n in range(5))
    assert told.is_whole


# Streams and long polling.


async def test_event_is_seen_before_the_next_is_sent(tmp_path: Path) -> None:
    events = [b"id: %d\ndata: tick\n\n" % n for n in range(20)]
    seen = asyncio.Event()

    async def tell(peer: Peer) -> None:
        await peer.read_until(END)
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for event in events:
            await peer.send(event)
            await seen.wait()
            seen.clear()
        await peer.close()

    async with set_scene(tmp_path, tell) as scene, scene.visit(request()) as (visitor, answers):
        for event in events:
            await visitor.read_until(event)
            seen.set()
        told = await answers.next()

    assert (told.body, told.is_whole) == (b"".join(events), True)


async def test_long_poll_is_answered_when_there_is_something(tmp_path: Path) -> None:
    news = asyncio.Event()

    async def wait(peer: Peer) -> None:
        requests = Requests(peer)
        while (await requests.next_request()).is_whole:
            await news.wait()
            await peer.send(OK)

    async with set_scene(tmp_path, wait) as scene, scene.visit(request()) as (_, answers):
        polling = asyncio.ensure_future(answers.next())
        while not scene.app.received:  # noqa: ASYNC110 - the kernel sets no Event
            await asyncio.sleep(0)
        assert not polling.done()
        news.set()
        told = await polling

    assert told.body == b"ok"


# What an app says of its bodies.

PARTS = (
    b"--sep\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/9\r\n\r\nab\r\n"
    b"--sep\r\nContent-Type: text/plain\r\nContent-Range: bytes 4-5/9\r\n\r\nef\r\n--sep--\r\n"
)
RANGES = {
    "one": (206, b'Content-Range: bytes 0-1/9\r\nETag: W/"x"\r\n', b"ab"),
    "several": (206, b"Content-Type: multipart/byteranges; boundary=sep\r\n", PARTS),
    "none": (416, b"Content-Range: bytes */9\r\n", b""),
}


@pytest.mark.parametrize(("status", "fields", "body"), RANGES.values(), ids=RANGES.keys())
async def test_ranges_are_the_apps_business(
    tmp_path: Path, status: int, fields: bytes, body: bytes
) -> None:
    answer = b"HTTP/1.1 %d Part\r\n%bAccept-Ranges: bytes\r\nContent-Length: %d\r\n\r\n%b" % (
        *(status, fields, len(body), body),
    )
    asked = ("Range: bytes=0-1, 4-5", 'If-Range: "x"')
    async with set_scene(tmp_path, answering(answer)) as scene:
        told = await scene.ask(request("GET", "", *asked))
        received = scene.app.received

    assert all(line.encode() + b"\r\n" in received for line in asked)
    assert (told.status, told.body, told.find("Accept-Ranges")) == (status, body, "bytes")
    name, _, value = fields.decode().split("\r\n")[0].partition(": ")
    assert told.find(name) == value


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate", "x-own", "gzip, br"])
@pytest.mark.parametrize("framing", ["length", "chunks", "close"])
async def test_coded_body_is_the_same_to_the_byte(
    tmp_path: Path, coding: str, framing: str
) -> None:
    body = gzip.compress(bytes(range(256)) * 40, mtime=0) + b"\x00\x8b\x07\x80\r\n\r\n0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\n" % coding.encode()
    sent: dict[str, tuple[bytes, Script]] = {
        "length": (b"Content-Length: %d\r\n\r\n%b" % (len(body), body), linger),
        "chunks": (
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
            linger,
        ),
        "close": (b"\r\n" + body, Peer.close),
    }
    rest, then = sent[framing]
    async with set_scene(tmp_path, saying(head + rest, then)) as scene:
        told = await scene.ask(request("GET", "", "Accept-Encoding: gzip, br;q=0.5, *;q=0"))
        received = scene.app.received

    assert b"Accept-Encoding: gzip, br;q=0.5, *;q=0\r\n" in received
    assert (told.body, told.find("Content-Encoding"), told.is_whole) == (body, coding, True)


@pytest.mark.parametrize(
    "target", ["http://notes.localhost/public/x?y=1", "HTTP://NOTES.localhost:80/public/x?y=1"]
)
async def test_absolute_target_reaches_the_app_as_a_path(tmp_path: Path, target: str) -> None:
    asked = f"GET {target} HTTP/1.1\r\nHost: notes.localhost\r\n\r\n".encode()
    async with set_scene(tmp_path, answering(OK)) as scene:
        told = await scene.ask(asked)
        received = scene.app.received

    assert told.status == 200
    assert received.startswith(b"GET /public/x?y=1 HTTP/1.1\r\nHost: notes.localhost")
