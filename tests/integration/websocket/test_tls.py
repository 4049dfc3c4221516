"""WebSockets over TLS, where no half of a connection can be closed."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from proxy.certificates import Certificates
from proxy.settings import App, UpstreamTLS
from tests.support.certificates import Authority
from tests.support.gate import HOST, run_gate
from tests.support.leaks import no_leaks


async def echo(leg: ServerConnection) -> None:
    async for message in leg:
        await leg.send(message)


async def leave(leg: ServerConnection) -> None:
    await leg.send("last words")
    await leg.close(4001, "bye")


async def vanish(leg: ServerConnection) -> None:
    leg.transport.abort()


async def misbehave(leg: ServerConnection) -> None:
    leg.transport.write(b"\xff\x00")
    await leg.wait_closed()


@pytest.mark.parametrize("app_too", [False, True], ids=["visitor", "both"])
@pytest.mark.parametrize(
    ("talk", "code"), [(echo, 1000), (leave, 4001), (vanish, 1011), (misbehave, 1002)]
)
async def test_closes_over_tls_as_without_it(
    tmp_path: Path,
    talk: Callable[[ServerConnection], Awaitable[None]],
    code: int,
    app_too: bool,
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue(HOST, "127.0.0.1")
    message = b"a" * 1_000_000

    def believe(app: App) -> App:
        return replace(app, tls=UpstreamTLS(ca_file=str(authority.file)))

    context = pair.server_context() if app_too else None
    async with serve(talk, "127.0.0.1", 0, max_size=None, ssl=context) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"http{'s' if app_too else ''}://127.0.0.1:{port}"
        async with run_gate(
            tmp_path,
            upstreams=(url,),
            dress=believe,
            certificates=Certificates(str(pair.certificate), str(pair.key)),
        ) as gate:
            uri = f"wss://{HOST}:{gate.port}/public/ws"
            at_client = authority.client_context()
            async with (
                no_leaks(gate),
                connect(uri, host="127.0.0.1", ssl=at_client, proxy=None, max_size=None) as leg,
            ):
                if talk is echo:
                    await leg.send(message)
                    assert await leg.recv() == message
                    await leg.close()
                await leg.wait_closed()

    assert leg.close_code == code
