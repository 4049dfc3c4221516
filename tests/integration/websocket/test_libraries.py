"""WebSockets between implementations of others, on either side of the gate."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.typing import Subprotocol

from proxy.settings import ProxySettings
from tests.support.gate import HOST, Running, run_gate
from tests.support.leaks import no_leaks, until

# Far more than `upstream_connections`, which are for requests.
CROWD = 1000
TEXT = "grüße, мир, 世界 " * 200


async def echo(leg: ServerConnection) -> None:
    """Send every message back; in fragments where it came as text with `…` at its end."""
    async for message in leg:
        if isinstance(message, str) and message.endswith("…"):
            await leg.send([message[:5], message[5:10], message[10:]])
        else:
            await leg.send(message)


@asynccontextmanager
async def run_before(
    folder: Path,
    talk: Callable[[ServerConnection], Awaitable[None]],
    **options: Any,  # Any: serve's own
) -> AsyncIterator[Running]:
    """Run the gate before an app of `websockets`."""
    async with serve(talk, "127.0.0.1", 0, max_size=None, **options) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        url = f"http://{host}:{port}"
        async with run_gate(folder, upstreams=(url,), change=wait_long) as gate, no_leaks(gate):
            yield gate


def wait_long(settings: ProxySettings) -> ProxySettings:
    """Let a crowd wait its turn to be connected, on a slow machine too."""
    return replace(settings, connect_timeout_s=60.0, first_byte_timeout_s=60.0)


def enter(gate: Running, **options: Any) -> connect:  # Any: connect's own
    """Return a client's way through the gate."""
    return connect(
        f"ws://{HOST}:{gate.port}/public/ws", host="127.0.0.1", max_size=None, proxy=None, **options
    )


async def test_messages_of_all_kinds_come_back(tmp_path: Path) -> None:
    sent: list[str | bytes] = [
        "",
        "a",
        TEXT,
        b"",
        b"\x00\xff",
        bytes(70_000),
        "in fragments, back …",
    ]
    async with run_before(tmp_path, echo) as gate, enter(gate) as leg:
        back: list[str | bytes] = []
        for message in sent:
            await leg.send(message)
            back.append(await leg.recv())

    assert back == sent


async def test_fragments_pass_as_they_are_with_pings_between_them(tmp_path: Path) -> None:
    async def parts(leg: ClientConnection) -> AsyncIterator[str]:
        for part in ("one ", "two ", "three …"):
            yield part
            await leg.ping()

    async with run_before(tmp_path, echo) as gate, enter(gate) as leg:
        await leg.send(parts(leg))
        back = [part async for part in leg.recv_streaming()]

    # The library ends a message that it sends in parts with an empty one.
    assert back == ["one t", "wo th", "ree …", ""]


async def test_ping_of_the_visitor_is_answered_by_the_app(tmp_path: Path) -> None:
    async with run_before(tmp_path, echo) as gate, enter(gate, ping_interval=None) as leg:
        pong = await leg.ping(b"are you there?")
        latency = await asyncio.wait_for(pong, 10)

    assert latency >= 0


OFFERED = {
    "as shipped": (
        [ClientPerMessageDeflateFactory(client_max_window_bits=True)],
        [ServerPerMessageDeflateFactory()],
        "permessage-deflate",
    ),
    "no context takeover": (
        [ClientPerMessageDeflateFactory(True, True)],
        [ServerPerMessageDeflateFactory(True, True)],
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ),
    "small windows": (
        [ClientPerMessageDeflateFactory(False, False, 9, 9)],
        [ServerPerMessageDeflateFactory(False, False, 9, 9)],
        "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
    ),
    "the visitor offers none": ([], [ServerPerMessageDeflateFactory()], None),
    "the app takes none": ([ClientPerMessageDeflateFactory()], [], None),
}


@pytest.mark.parametrize(("offer", "take", "agreed"), OFFERED.values(), ids=OFFERED.keys())
async def test_compression_is_agreed_on_end_to_end(
    tmp_path: Path,
    offer: list[ClientPerMessageDeflateFactory],
    take: list[ServerPerMessageDeflateFactory],
    agreed: str | None,
) -> None:
    sent: list[str | bytes] = [TEXT, TEXT, "", b"\x00" * 100_000, TEXT + "…"]
    async with (
        run_before(tmp_path, echo, compression=None, extensions=take or None) as gate,
        enter(gate, compression=None, extensions=offer or None) as leg,
    ):
        assert leg.response is not None
        told = leg.response.headers.get("Sec-WebSocket-Extensions")
        back: list[str | bytes] = []
        for message in sent:
            await leg.send(message)
            back.append(await leg.recv())

    assert back == sent
    assert told == agreed


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [(["chat.v1", "other"], "chat.v1"), (["chat.v1", "chat.v2"], "chat.v2"), (None, None)],
)
async def test_app_chooses_among_the_subprotocols(
    tmp_path: Path, wanted: list[Subprotocol] | None, chosen: str | None
) -> None:
    known = [Subprotocol("chat.v2"), Subprotocol("chat.v1")]
    async with (
        run_before(tmp_path, echo, subprotocols=known if wanted else None) as gate,
        enter(gate, subprotocols=wanted) as leg,
    ):
        assert leg.subprotocol == chosen


CODES = [1000, 1001, 1003, 1008, 1011, 1012, 3000, 4999]
REASON = "ich gehe, tschüß"


@pytest.mark.parametrize("code", CODES)
async def test_close_code_and_reason_of_the_visitor_reach_the_app(
    tmp_path: Path, code: int
) -> None:
    ended: asyncio.Future[tuple[int | None, str | None]] = asyncio.Future()

    async def wait(leg: ServerConnection) -> None:
        await leg.wait_closed()
        ended.set_result((leg.close_code, leg.close_reason))

    async with run_before(tmp_path, wait) as gate, enter(gate) as leg:
        await leg.close(code, REASON)
        told = await ended

    assert told == (code, REASON)
    assert (leg.close_code, leg.close_reason) == (code, REASON)


@pytest.mark.parametrize("code", CODES)
async def test_close_code_and_reason_of_the_app_reach_the_visitor(
    tmp_path: Path, code: int
) -> None:
    async def leave(leg: ServerConnection) -> None:
        await leg.close(code, REASON)

    async with run_before(tmp_path, leave) as gate, enter(gate) as leg:
        await leg.wait_closed()

    assert (leg.close_code, leg.close_reason) == (code, REASON)


async def test_refusal_is_a_status_for_the_library_too(tmp_path: Path) -> None:
    async with run_before(tmp_path, echo) as gate:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{HOST}:{gate.port}/ws", host="127.0.0.1", proxy=None)

    assert refused.value.response.status_code == 401


async def test_aiohttp_on_both_sides_compresses_through_the_gate(tmp_path: Path) -> None:
    async def talk(request: web.Request) -> web.WebSocketResponse:
        leg = web.WebSocketResponse(compress=True)
        await leg.prepare(request)
        async for message in leg:
            await leg.send_str(message.data)
        return leg

    app = web.Application()
    app.router.add_get("/{path:.*}", talk)
    async with (
        run_gate(tmp_path, app) as gate,
        gate.http.ws_connect(gate.url("/public/ws"), headers={"Host": HOST}, compress=15) as leg,
    ):
        await leg.send_str(TEXT)
        back = await leg.receive()

    assert leg.compress == 15
    assert (back.type, back.data) == (WSMsgType.TEXT, TEXT)


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_a_thousand_open_at_once_each_get_their_own(tmp_path: Path) -> None:
    async def one(gate: Running, number: int, everybody: asyncio.Barrier) -> list[str | bytes]:
        async with enter(gate, open_timeout=60, ping_interval=None, compression=None) as leg:
            await everybody.wait()
            await leg.send(f"message of {number}")
            return [await leg.recv()]

    everybody = asyncio.Barrier(CROWD)
    async with run_before(tmp_path, echo, compression=None) as gate:
        back = await asyncio.gather(*(one(gate, n, everybody) for n in range(CROWD)))
        await until(lambda: not gate.server.connections)

    assert back == [[f"message of {n}"] for n in range(CROWD)]
