"""The app behind the gateway: it answers whatever comes, in one word."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def open_app() -> AsyncIterator[str]:
    """Run the app while entered; yield its URL."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="yes")

    app = web.Application()
    app.add_routes([web.get("/{rest:.*}", answer)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield str(site.name)
    finally:
        await runner.cleanup()
