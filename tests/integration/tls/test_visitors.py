"""Visitors over TLS, with real handshakes."""

import asyncio
import json
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from proxy.certificates import Certificates
from proxy.settings import ProxySettings
from tests.support.answers import Answers
from tests.support.certificates import Authority, Pair
from tests.support.gate import HOST, SESSION, Running, run_gate
from tests.support.leaks import no_leaks, until
from tests.support.raw import Peer
from tests.support.snapshots import CLIENT

_GET = b"GET /public/ HTTP/1.1\r\nHost: notes.localhost\r\n\r\n"


@dataclass
class Secured:
    """A gate that speaks TLS. `complaints` are what the loop's last resort was told of."""

    gate: Running
    authority: Authority
    pair: Pair
    certificates: Certificates
    complaints: list[dict[str, object]]

    @asynccontextmanager
    async def visit(self, name: str = HOST) -> AsyncIterator[tuple[Peer, Answers]]:
        """Connect, asking for the name."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.gate.port,
            ssl=self.authority.client_context(),
            server_hostname=name,
        )
        peer = Peer(reader, writer)
        try:
            yield peer, Answers(peer)
        finally:
            writer.transport.abort()

    async def ask_status(self, raw: bytes = _GET, name: str = HOST) -> int:
        """Return the status of the answer to one request on a connection of its own."""
        async with self.visit(name) as (peer, answers):
            await peer.send(raw)
            return (await answers.next()).status

    async def serial(self) -> object:
        """Return the serial number of the certificate that a new connection is shown."""
        async with self.visit() as (peer, _):
            return peer.writer.get_extra_info("peercert")["serialNumber"]


def _create_app() -> web.Application:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def tell(request: web.Request) -> web.Response:
        return web.json_response(dict(request.headers))

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket_ = web.WebSocketResponse()
        await socket_.prepare(request)
        async for message in socket_:
            await socket_.send_bytes(message.data)
        return socket_

    app = web.Application(client_max_size=2**30)
    app.router.add_get("/public/tell", tell)
    app.router.add_get("/public/talk", talk)
    app.router.add_route("*", "/{path:.*}", echo)
    return app


def _secure(settings: ProxySettings) -> ProxySettings:
    return replace(settings, public_url="https://checkout.localhost")


@asynccontextmanager
async def _securing(
    folder: Path, change: Callable[[ProxySettings], ProxySettings] = _secure
) -> AsyncIterator[Secured]:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, said: complaints.append(said))
    authority = Authority(folder)
    pair = authority.issue(HOST, "checkout.localhost", "other.localhost")
    certificates = Certificates(str(pair.certificate), str(pair.key))
    async with run_gate(folder, _create_app(), change=change, certificates=certificates) as running:
        running.sessions.live[SESSION, HOST] = CLIENT
        yield Secured(running, authority, pair, certificates, complaints)
    assert complaints == []


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    async with _securing(tmp_path) as running:
        yield running


async def test_a_request_over_tls_is_answered(secured: Secured) -> None:
    async with secured.visit() as (peer, answers):
        assert peer.writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
        for _ in range(3):
            await peer.send(_GET)
            answer = await answers.next()
            assert (answer.status, answer.is_whole) == (200, True)


async def test_http_1_1_is_what_is_agreed_on(secured: Secured) -> None:
    context = secured.authority.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", secured.gate.port, ssl=context, server_hostname=HOST
    )
    agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.transport.abort()

    assert agreed == "http/1.1"
    assert await reader.read() == b""


async def test_tls_before_1_2_is_refused(secured: Secured) -> None:
    context = secured.authority.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(
            "127.0.0.1", secured.gate.port, ssl=context, server_hostname=HOST
        )


async def test_the_app_learns_that_the_visitor_came_over_tls(secured: Secured) -> None:
    async with secured.visit() as (peer, answers):
        await peer.send(
            b"GET /public/tell HTTP/1.1\r\nHost: notes.localhost\r\n"
            b"X-Forwarded-Proto: http\r\nCookie: __Host-tollway=" + SESSION.encode() + b"\r\n\r\n"
        )
        told = json.loads((await answers.next()).body)

    assert told["X-Forwarded-Proto"] == "https"
    assert "proto=https" in told["Forwarded"]
    assert told["X-Entitlement-Client"] == CLIENT
    assert "Cookie" not in told


@pytest.mark.parametrize("size", [1, 16_384, 8_000_000])
async def test_bodies_go_both_ways_unchanged(secured: Secured, size: int) -> None:
    body = bytes(i % 251 for i in range(size))
    async with secured.visit() as (peer, answers):
        sending = asyncio.create_task(
            peer.send(
                b"POST /public/ HTTP/1.1\r\nHost: notes.localhost\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (size, body)
            )
        )
        answer = await answers.next("POST")
        await sending

    assert (answer.status, answer.is_whole, answer.body == body) == (200, True, True)


async def test_a_websocket_goes_over_tls(secured: Secured) -> None:
    resolved = aiohttp.TCPConnector(ssl=secured.authority.client_context(), resolver=_Here())
    async with (
        aiohttp.ClientSession(connector=resolved) as http,
        http.ws_connect(f"https://{HOST}:{secured.gate.port}/public/talk", max_msg_size=0) as talk,
    ):
        for message in (b"", b"x" * 3_000_000):
            await talk.send_bytes(message)
            assert await talk.receive_bytes() == message
        assert await talk.close()


class _Here(aiohttp.abc.AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        return [
            aiohttp.abc.ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        pass


async def test_a_refused_upload_is_told_before_the_connection_ends(secured: Secured) -> None:
    async with secured.visit() as (peer, answers):
        await peer.send(
            b"POST /public/\\x HTTP/1.1\r\nHost: notes.localhost\r\nContent-Length: 9000000\r\n\r\n"
        )
        answer = await answers.next("POST")
        sending = asyncio.create_task(peer.send(b"x" * 9_000_000))
        end = await answers.surplus()
        await asyncio.gather(sending, return_exceptions=True)

    assert (answer.status, answer.is_whole, end) == (400, True, b"")


async def test_a_connection_for_one_host_takes_no_request_for_another(secured: Secured) -> None:
    own = b"GET /healthz HTTP/1.1\r\nHost: checkout.localhost\r\n\r\n"

    assert await secured.ask_status(own, "checkout.localhost") == 200
    assert await secured.ask_status(own, HOST) == 421
    assert await secured.ask_status(_GET, "checkout.localhost") == 421


async def test_a_name_that_is_none_of_ours_says_nothing(secured: Secured) -> None:
    # Such as that of a load balancer that speaks TLS to us, and passes the Host on.
    assert await secured.ask_status(_GET, "other.localhost") == 200


async def test_a_new_certificate_is_for_new_connections(secured: Secured) -> None:
    before = await secured.serial()
    async with secured.visit() as (peer, answers):
        secured.authority.issue(HOST)

        assert secured.certificates.reload()

        assert await secured.serial() != before
        await peer.send(_GET)
        assert (await answers.next()).status == 200


async def test_a_changed_file_is_noticed(secured: Secured) -> None:
    before = await secured.serial()
    secured.certificates.stop()
    secured.certificates.start(0.001)

    secured.authority.issue(HOST)

    context = secured.certificates.context
    await until(lambda: secured.certificates.context is not context)
    assert await secured.serial() != before


@pytest.mark.parametrize("bad", [b"", b"-----BEGIN CERTIFICATE-----\nnone\n"])
async def test_a_bad_certificate_changes_nothing(secured: Secured, bad: bytes) -> None:
    before = await secured.serial()
    secured.pair.certificate.write_bytes(bad)

    assert not secured.certificates.reload()

    assert await secured.serial() == before


async def test_a_key_that_came_without_its_certificate_changes_nothing(secured: Secured) -> None:
    before = await secured.serial()
    secured.pair.key.write_bytes(secured.authority.issue(HOST, name="next").key.read_bytes())

    assert not secured.certificates.reload()

    assert await secured.serial() == before


async def test_a_certificate_that_vanished_changes_nothing(secured: Secured) -> None:
    before = await secured.serial()
    secured.pair.certificate.unlink()

    assert not secured.certificates.reload()

    assert await secured.serial() == before


@pytest.mark.parametrize(
    "sent",
    [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", _GET, b"\x00" * 4000],
    ids=["nothing", "half a record", "half a hello", "http", "garbage"],
)
@pytest.mark.parametrize("leave", ["close", "reset"])
async def test_no_handshake_leaves_nothing_behind(
    secured: Secured, sent: bytes, leave: str
) -> None:
    async with no_leaks(secured.gate):
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", secured.gate.port)
            peer = Peer(reader, writer)
            await peer.send(sent)
            if leave == "reset":
                peer.reset()
            await peer.close()


async def test_a_handshake_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    def impatient(settings: ProxySettings) -> ProxySettings:
        return replace(_secure(settings), head_timeout_s=0.05)

    async with _securing(tmp_path, impatient) as secured, no_leaks(secured.gate):
        reader, writer = await asyncio.open_connection("127.0.0.1", secured.gate.port)
        peer = Peer(reader, writer)
        await peer.send(b"\x16\x03\x01")

        assert await peer.read_to_end() == b""

        await peer.close()


async def test_handshakes_count_among_an_addresss_connections(tmp_path: Path) -> None:
    def crowded(settings: ProxySettings) -> ProxySettings:
        return replace(_secure(settings), connections_per_address=1)

    async with _securing(tmp_path, crowded) as secured:
        reader, writer = await asyncio.open_connection("127.0.0.1", secured.gate.port)
        first = Peer(reader, writer)
        await until(lambda: secured.gate.server.connections == 1)

        with pytest.raises(ConnectionError):
            await secured.ask_status()

        await first.close()
        await until(lambda: secured.gate.server.connections == 0)
        assert await secured.ask_status() == 200


async def test_a_visitor_who_leaves_mid_answer_leaves_nothing_behind(secured: Secured) -> None:
    async with no_leaks(secured.gate), secured.visit() as (peer, _):
        await peer.send(
            b"POST /public/ HTTP/1.1\r\nHost: notes.localhost\r\nContent-Length: 9000000\r\n\r\n"
        )
        await until(lambda: secured.gate.upstream.busy)


async def test_a_stop_ends_handshakes_that_never_end(tmp_path: Path) -> None:
    async with _securing(tmp_path) as secured:
        reader, writer = await asyncio.open_connection("127.0.0.1", secured.gate.port)
        await until(lambda: secured.gate.server.connections == 1)

        await secured.gate.server.stop()

        assert await Peer(reader, writer).read_to_end() == b""
        writer.close()


async def test_who_waits_at_a_stop_is_let_in_and_answered(secured: Secured) -> None:
    # Without a turn of the loop in between, so that nobody can have been accepted.
    waiting = socket.create_connection(("127.0.0.1", secured.gate.port))
    stop = asyncio.create_task(secured.gate.server.stop())
    reader, writer = await asyncio.open_connection(
        sock=waiting, ssl=secured.authority.client_context(), server_hostname=HOST
    )
    peer = Peer(reader, writer)
    await peer.send(_GET)
    answer = await Answers(peer).next()
    await peer.close()
    await stop

    assert (answer.status, answer.is_last) == (200, True)


async def test_an_answer_without_a_length_ends_with_the_connection(secured: Secured) -> None:
    async with secured.visit() as (peer, answers):
        await peer.send(b"GET /public/ HTTP/1.0\r\nHost: notes.localhost\r\n\r\n")
        answer = await answers.next()
        assert (answer.status, await answers.surplus()) == (200, b"")
