"""Bytes through the gate: bodies, streams, framing, and apps that fail."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from proxy.settings import ProxySettings
from tests.support.gate import Running, run_gate
from tests.support.ports import refusing_port
from tests.support.raw import raw_visitor

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def before(tmp_path: Path, handler: Handler) -> AsyncIterator[Running]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with run_gate(tmp_path, app) as running:
        yield running


@asynccontextmanager
async def before_bytes(tmp_path: Path, answer: bytes) -> AsyncIterator[Running]:
    """Run the gate before a server that reads a request head and sends `answer`, then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with run_gate(tmp_path, upstreams=(f"http://127.0.0.1:{port}",)) as running:
            yield running
    finally:
        server.close()


@pytest.mark.parametrize("size", [0, 1, 65_536, 5_000_000])
async def test_body_goes_both_ways_unchanged(gate: Running, size: int) -> None:
    body = bytes(i % 251 for i in range(size))

    status, _, echoed = await gate.ask("/public/", method="POST", data=body)

    assert (status, echoed) == (200, body)


async def test_chunked_upload_arrives_whole(gate: Running) -> None:
    raw = (
        b"POST /public/ HTTP/1.1\r\nHost: notes.localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    )

    answer = await gate.say(raw)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"hello world")


async def test_compressed_bodies_are_not_touched(tmp_path: Path) -> None:
    packed = gzip.compress(b"a" * 1000)

    async def handler(request: web.Request) -> web.Response:
        assert await request.read() == packed
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    async with before(tmp_path, handler) as gate:
        status, fields, body = await gate.ask(
            "/public/", method="POST", data=packed, headers={"Content-Encoding": "gzip"}
        )

    assert (status, fields["Content-Encoding"], body) == (200, "gzip", packed)


async def test_event_stream_passes_event_by_event(tmp_path: Path) -> None:
    first_was_read = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: 1\n\n")
        # The second event is sent only when the first has arrived at the visitor.
        await first_was_read.wait()
        await answer.write(b"data: 2\n\n")
        return answer

    async with (
        before(tmp_path, handler) as gate,
        gate.http.get(gate.url("/public/"), headers={"Host": "notes.localhost"}) as answer,
    ):
        first = await answer.content.readuntil(b"\n\n")
        first_was_read.set()
        second = await answer.content.readuntil(b"\n\n")

    assert (first, second) == (b"data: 1\n\n", b"data: 2\n\n")


async def test_redirects_and_cookies_of_the_app_go_to_its_visitor(tmp_path: Path) -> None:
    async def handler(_request: web.Request) -> web.Response:
        fields = [("Location", "/next"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        answer = web.Response(status=302)
        for name, value in fields:
            answer.headers.add(name, value)
        return answer

    async with before(tmp_path, handler) as gate:
        status, fields, _ = await gate.ask("/public/")

    assert (status, fields["Location"]) == (302, "/next")
    assert fields.getall("Set-Cookie") == ["a=1", "b=2"]


async def test_head_has_the_fields_and_no_body(tmp_path: Path) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=b"12345")

    async with before(tmp_path, handler) as gate:
        answer = await gate.say(
            b"HEAD /public/ HTTP/1.1\r\nHost: notes.localhost\r\nConnection: close\r\n\r\n"
        )

    assert b"Content-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
async def test_answer_without_a_body_has_none(tmp_path: Path, status: int) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with before(tmp_path, handler) as gate:
        got, _, body = await gate.ask("/public/")

    assert (got, body) == (status, b"")


async def test_upload_is_not_asked_for_when_it_will_be_refused(gate: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(
        b"POST / HTTP/1.1\r\nHost: notes.localhost\r\nContent-Length: 5\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )

    line = await reader.readline()
    writer.close()
    await writer.wait_closed()

    assert line.startswith(b"HTTP/1.1 401 ")


async def test_upload_is_asked_for_once_it_is_allowed(gate: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(
        b"POST /public/ HTTP/1.1\r\nHost: notes.localhost\r\nContent-Length: 5\r\n"
        b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    interim = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"hello")

    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"hello")


async def test_unknown_expectation_is_417(gate: Running) -> None:
    status, _, _ = await gate.ask("/public/", headers={"Expect": "the-unexpected"})

    assert status == 417


POST = b"POST /public/ HTTP/1.1\r\nHost: notes.localhost\r\n"


@pytest.mark.parametrize(
    "head",
    [
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n",
        POST + b"Transfer-Encoding: chunked, x\r\n",
        b"GET /public/ HTTP/1.1\r\nHost : notes.localhost\r\n",
        b"GET /public/ HTTP/1.1\r\nHost: notes.localhost\r\n folded\r\n",
        b"GET /public/ HTTP/1.1\r\nHost: notes.localhost\r\nHost: notes.localhost\r\n",
        b"GET /public/ HTTP/1.1\r\n",
        b"GET /public/../ HTTP/1.1\r\nHost: notes.localhost\r\n",
        b"GET /public/\x00 HTTP/1.1\r\nHost: notes.localhost\r\n",
        b"GET /public/ HTTP/1.1\r\nHost: notes.localhost\r\nX-A: " + b"a" * 9000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
    ],
)
async def test_what_two_parsers_could_read_differently_is_400_and_closed(
    gate: Running, head: bytes
) -> None:
    # `say` reads until the gate closes, although the request asks for no close.
    answer = await gate.say(head + b"\r\nGET /public/smuggled HTTP/1.1\r\n\r\n")

    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"\nHTTP/1." not in answer
    assert gate.seen == []


async def test_request_of_one_kept_connection_is_decided_by_itself(gate: Running) -> None:
    raw = (
        b"GET /public/ HTTP/1.1\r\nHost: notes.localhost\r\n\r\n"
        b"GET /paid HTTP/1.1\r\nHost: notes.localhost\r\nConnection: close\r\n\r\n"
    )

    answer = await gate.say(raw)

    assert answer.count(b"HTTP/1.1 200 ") == 1
    assert answer.count(b"HTTP/1.1 401 ") == 1
    assert len(gate.seen) == 1


async def test_app_that_is_not_there_is_a_502(tmp_path: Path) -> None:
    app = web.Application()
    with refusing_port() as port:
        async with run_gate(tmp_path, app, upstreams=(f"http://127.0.0.1:{port}",)) as gate:
            # Twice, so that either of the two servers has its turn first; the second is there.
            answers = [await gate.ask("/public/") for _ in range(2)]

    assert [status for status, _, _ in answers] == [404, 404]


async def test_no_server_at_all_is_a_502_with_a_request_id(tmp_path: Path) -> None:
    async def handler(_request: web.Request) -> web.Response:
        raise AssertionError("nobody calls")

    async with before_bytes(tmp_path, b"") as gate:
        status, fields, _ = await gate.ask("/public/")

    assert status == 502
    assert fields["Content-Type"] == "application/problem+json"
    assert fields["X-Request-Id"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
    ],
)
async def test_garbage_of_the_app_is_a_502(tmp_path: Path, answer: bytes) -> None:
    async with before_bytes(tmp_path, answer) as gate:
        status, _, _ = await gate.ask("/public/")

    assert status == 502


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ],
)
async def test_answer_that_breaks_off_is_not_made_to_look_whole(
    tmp_path: Path, answer: bytes
) -> None:
    async with before_bytes(tmp_path, answer) as gate:
        try:
            got = await gate.say(b"GET /public/ HTTP/1.1\r\nHost: notes.localhost\r\n\r\n")
        except ConnectionResetError:
            got = b""

    assert not got.endswith(b"0\r\n\r\n")
    assert not got.endswith(b"1234512345")


async def test_app_that_stays_silent_is_a_504(tmp_path: Path) -> None:
    released = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    def impatient(settings: ProxySettings) -> ProxySettings:
        return replace(settings, first_byte_timeout_s=0.05)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with run_gate(tmp_path, app, change=impatient) as gate:
        status, _, _ = await gate.ask("/public/")
        released.set()

    assert status == 504


async def test_visitor_who_leaves_ends_the_apps_work(tmp_path: Path) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    async with before(tmp_path, handler) as gate, raw_visitor(gate.port) as visitor:
        await visitor.send(b"GET /public/ HTTP/1.1\r\nHost: notes.localhost\r\n\r\n")
        await started.wait()

        visitor.reset()

        async with asyncio.timeout(5):
            await ended.wait()


async def test_early_answer_closes_the_connection_with_the_unread_upload(tmp_path: Path) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(status=413)

    async with before(tmp_path, handler) as gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(
            b"POST /public/ HTTP/1.1\r\nHost: notes.localhost\r\nContent-Length: 1000000\r\n\r\nx"
        )
        # What looks like a request in the rest of the upload is none.
        line = await reader.readline()
        writer.write(b"GET /public/smuggled HTTP/1.1\r\nHost: notes.localhost\r\n\r\n")
        writer.write_eof()
        rest = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert line.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in rest
    assert b"HTTP/1.1" not in rest


async def test_request_with_a_body_is_no_websocket_handshake(gate: Running) -> None:
    answer = await gate.say(
        b"POST /public/ HTTP/1.1\r\nHost: notes.localhost\r\nConnection: Upgrade, close\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 2\r\n\r\nhi"
    )

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [seen.method for seen in gate.seen] == ["POST"]


async def test_slow_uploads_to_our_own_pages_keep_nobody_else_out(gate: Running) -> None:
    # More than there are connections to the control application.
    slow = [await asyncio.open_connection("127.0.0.1", gate.port) for _ in range(20)]
    for _, writer in slow:
        writer.write(
            b"POST /sign-in HTTP/1.1\r\nHost: checkout.localhost\r\nContent-Length: 9\r\n\r\nn"
        )
        await writer.drain()

    async with asyncio.timeout(5):
        status, _, _ = await gate.ask("/healthz", host="checkout.localhost")

    for _, writer in slow:
        writer.transport.abort()
    assert status == 200


async def test_upload_to_our_own_pages_that_is_too_large_is_413(gate: Running) -> None:
    raw = b"POST /x HTTP/1.1\r\nHost: checkout.localhost\r\nContent-Length: 9999999\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(raw)

    line = await reader.readline()
    writer.close()

    assert line.startswith(b"HTTP/1.1 413 ")
