"""WebSockets through the gate: only for those who may, and message by message."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from tests.support.gate import HOST, SESSION, Running, run_gate
from tests.support.snapshots import CLIENT, make_grant, make_snapshot

SIGNED_IN = {"Host": HOST, "Cookie": f"tollway={SESSION}"}


def create_socket_app() -> web.Application:
    """Return an app that sends every message back, and closes when told `bye <code>`."""

    async def talk(request: web.Request) -> web.WebSocketResponse:
        leg = web.WebSocketResponse(protocols=("chat.v2", "chat.v1"), max_msg_size=0)
        await leg.prepare(request)
        await leg.send_json(dict(request.headers.items()))
        async for message in leg:
            if message.type is WSMsgType.TEXT and message.data.startswith("bye"):
                await leg.close(code=int(message.data[3:]), message=b"as told")
            elif message.type is WSMsgType.TEXT:
                await leg.send_str(message.data)
            else:
                await leg.send_bytes(message.data)
        return leg

    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=403)

    app = web.Application()
    app.add_routes([web.get("/{part}/refused", refuse), web.get("/{path:.*}", talk)])
    return app


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Running]:
    async with run_gate(tmp_path, create_socket_app()) as running:
        running.sessions.live[SESSION, HOST] = CLIENT
        running.facts.truth[CLIENT] = make_snapshot(make_grant())
        yield running


async def test_messages_go_both_ways_with_the_entitlement_told(gate: Running) -> None:
    async with gate.http.ws_connect(gate.url("/"), headers=SIGNED_IN) as leg:
        told = await leg.receive_json()
        await leg.send_str("hello")
        text = await leg.receive_str()
        await leg.send_bytes(b"\x00\xff")
        data = await leg.receive_bytes()

    assert told["X-Entitlement-Client"] == CLIENT
    assert "Cookie" not in told
    assert (text, data) == ("hello", b"\x00\xff")


async def test_message_of_a_megabyte_arrives_whole(gate: Running) -> None:
    message = "x" * 1_000_000

    async with gate.http.ws_connect(gate.url("/"), headers=SIGNED_IN, max_msg_size=0) as leg:
        await leg.receive()
        await leg.send_str(message)
        echoed = await leg.receive_str()

    assert echoed == message


async def test_app_chooses_the_subprotocol(gate: Running) -> None:
    async with gate.http.ws_connect(
        gate.url("/"), headers=SIGNED_IN, protocols=("chat.v1", "other")
    ) as leg:
        assert leg.protocol == "chat.v1"


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4402])
async def test_close_code_of_the_app_reaches_the_visitor(gate: Running, code: int) -> None:
    async with gate.http.ws_connect(gate.url("/"), headers=SIGNED_IN) as leg:
        await leg.receive()
        await leg.send_str(f"bye {code}")
        last = await leg.receive()

    assert (last.type, leg.close_code, last.extra) == (WSMsgType.CLOSE, code, "as told")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {"Host": HOST}, 401),
        ("/", {**SIGNED_IN, "Cookie": "tollway=other"}, 401),
        ("/seats/", SIGNED_IN, 402),
        ("/", {**SIGNED_IN, "Origin": "https://evil.example"}, 403),
        ("/", {**SIGNED_IN, "Origin": "null"}, 403),
        ("/", {**SIGNED_IN, "Origin": "http://["}, 403),
        ("/public/", {**SIGNED_IN, "Origin": "https://evil.example"}, 403),
        ("/public/refused", {"Host": HOST}, 403),
    ],
)
async def test_handshake_is_refused_with_a_status(
    gate: Running, path: str, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await gate.http.ws_connect(gate.url(path), headers=headers)

    assert refused.value.status == status


@pytest.mark.parametrize("origin", ["http://notes.localhost:8080", "http://notes.localhost"])
async def test_page_of_the_app_itself_may_open_one(gate: Running, origin: str) -> None:
    async with gate.http.ws_connect(gate.url("/"), headers={**SIGNED_IN, "Origin": origin}) as leg:
        told = await leg.receive_json()

    assert told["Origin"] == origin


async def test_visitor_who_vanishes_closes_the_apps_side(tmp_path: Path) -> None:
    ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def wait_for_end(request: web.Request) -> web.WebSocketResponse:
        leg = web.WebSocketResponse()
        await leg.prepare(request)
        await leg.receive()
        ended.set_result(leg.close_code)
        return leg

    app = web.Application()
    app.router.add_get("/{path:.*}", wait_for_end)
    async with run_gate(tmp_path, app) as gate:
        leg = await gate.http.ws_connect(gate.url("/public/"), headers={"Host": HOST})
        leg._response.connection.transport.abort()  # type: ignore[union-attr] # it is connected

        async with asyncio.timeout(5):
            code = await ended

    assert code == 1001
