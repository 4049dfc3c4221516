"""A gate before an app that tells what it received."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.gate import HOST, SESSION, Running, run_gate
from tests.support.snapshots import CLIENT


def create_echo() -> web.Application:
    """Return an app that answers every request with its body, whatever the path."""

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), headers={"X-App": "notes"})

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", echo)
    return app


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Running]:
    async with run_gate(tmp_path, create_echo()) as running:
        running.sessions.live[SESSION, HOST] = CLIENT
        yield running
