"""Apps that are reached over TLS: whom the gate believes, and what it asks for."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from proxy.settings import App, HealthChecks, UpstreamTLS
from tests.support.answers import Requests
from tests.support.certificates import Authority, Pair
from tests.support.gate import Running, run_gate
from tests.support.leaks import until
from tests.support.raw import Peer


@dataclass
class SecureApp:
    """An app that speaks TLS. `names` are those that it was asked for (SNI)."""

    port: int = 0
    names: list[str | None] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)


@asynccontextmanager
async def _secure_app(pair: Pair) -> AsyncIterator[SecureApp]:
    app = SecureApp()
    context = pair.server_context()

    def note(_tls: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        app.names.append(name)

    context.sni_callback = note

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        app.peers.append(peer)
        requests = Requests(peer)
        try:
            while (asked := await requests.next_request()).is_whole:
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(asked.body)
                await peer.send(head + asked.body)
        except (EOFError, ConnectionError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    app.port = server.sockets[0].getsockname()[1]
    try:
        yield app
    finally:
        server.close()
        for peer in app.peers:
            peer.writer.transport.abort()


def _believing(tls: UpstreamTLS) -> Callable[[App], App]:
    return lambda app: replace(app, tls=tls)


async def _status(gate: Running, body: bytes = b"") -> int:
    status, _, answered = await gate.ask("/public/", method="POST", data=body)
    assert status != 200 or answered == body
    return status


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_an_app_of_the_right_authority_is_believed(tmp_path: Path, size: int) -> None:
    authority = Authority(tmp_path)
    tls = UpstreamTLS(str(authority.file))
    async with (
        _secure_app(authority.issue("127.0.0.1")) as app,
        run_gate(
            tmp_path, upstreams=(f"https://127.0.0.1:{app.port}",), dress=_believing(tls)
        ) as gate,
    ):
        body = bytes(i % 251 for i in range(size))

        assert [await _status(gate, body) for _ in range(3)] == [200] * 3

    assert len(app.peers) == 1  # Kept, as in clear.


async def test_an_app_of_another_authority_gets_nothing(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    tls = UpstreamTLS(str(ours.file))
    async with (
        _secure_app(theirs.issue("127.0.0.1")) as app,
        run_gate(
            tmp_path, upstreams=(f"https://127.0.0.1:{app.port}",), dress=_believing(tls)
        ) as gate,
    ):
        assert await _status(gate) == 502

    assert not any(peer.received for peer in app.peers)


async def test_an_app_whose_authority_no_system_knows_gets_nothing(tmp_path: Path) -> None:
    async with (
        _secure_app(Authority(tmp_path).issue("127.0.0.1")) as app,
        run_gate(tmp_path, upstreams=(f"https://127.0.0.1:{app.port}",)) as gate,
    ):
        assert await _status(gate) == 502

    assert not any(peer.received for peer in app.peers)


@pytest.mark.parametrize(
    ("issued_for", "expected", "status"),
    [
        ("notes.internal", "notes.internal", 200),
        ("wiki.internal", "notes.internal", 502),
        ("notes.internal", None, 502),
    ],
    ids=["right name", "wrong name", "name not told"],
)
async def test_the_certificate_has_to_be_for_the_name(
    tmp_path: Path, issued_for: str, expected: str | None, status: int
) -> None:
    authority = Authority(tmp_path)
    tls = UpstreamTLS(str(authority.file), expected)
    async with (
        _secure_app(authority.issue(issued_for)) as app,
        run_gate(
            tmp_path, upstreams=(f"https://127.0.0.1:{app.port}",), dress=_believing(tls)
        ) as gate,
    ):
        assert await _status(gate) == status

    # An address is none to ask for (RFC 6066, section 3).
    assert app.names == [expected]


async def test_the_name_that_is_asked_for_is_that_of_the_url(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = UpstreamTLS(str(authority.file))
    async with (
        _secure_app(authority.issue("localhost")) as app,
        run_gate(
            tmp_path, upstreams=(f"https://localhost:{app.port}",), dress=_believing(tls)
        ) as gate,
    ):
        assert await _status(gate) == 200

    assert app.names == ["localhost"]


async def test_a_server_that_speaks_no_tls_is_a_502(tmp_path: Path) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    tls = UpstreamTLS(str(Authority(tmp_path).file))
    async with run_gate(
        tmp_path, upstreams=(f"https://127.0.0.1:{port}",), dress=_believing(tls)
    ) as gate:
        assert await _status(gate) == 502
    server.close()


async def test_a_server_that_is_not_believed_is_passed_over(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    bad, good = theirs.issue("127.0.0.1", name="bad"), ours.issue("127.0.0.1", name="good")
    async with _secure_app(bad) as other, _secure_app(good) as app:
        urls = (f"https://127.0.0.1:{other.port}", f"https://127.0.0.1:{app.port}")
        tls = UpstreamTLS(str(ours.file))
        async with run_gate(tmp_path, upstreams=urls, dress=_believing(tls)) as gate:
            assert [await _status(gate, b"x") for _ in range(4)] == [200] * 4


async def test_checks_go_over_tls(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    bad, good = theirs.issue("127.0.0.1", name="bad"), ours.issue("127.0.0.1", name="good")

    def dress(app: App) -> App:
        return replace(
            app,
            tls=UpstreamTLS(str(ours.file)),
            health=HealthChecks("/well", 0.01, 5.0, healthy_after=1, unhealthy_after=1),
        )

    async with _secure_app(bad) as other, _secure_app(good) as app:
        urls = (f"https://127.0.0.1:{other.port}", f"https://127.0.0.1:{app.port}")
        async with run_gate(tmp_path, upstreams=urls, dress=dress) as gate:
            await until(lambda: not gate.upstream.servers[0].is_healthy)
            await until(lambda: any(peer.received for peer in app.peers))

            assert gate.upstream.servers[1].is_healthy
