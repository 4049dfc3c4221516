"""An app behind the gateway that is no part of what is measured: it answers whatever comes."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

# For streams that nobody ends.
_SHUTDOWN_S = 1.0


@asynccontextmanager
async def open_app(routes: Iterable[web.RouteDef] = ()) -> AsyncIterator[str]:
    """Run the app while entered, with some routes of its own; yield its URL."""
    app = web.Application()
    app.add_routes([*routes, web.get("/{rest:.*}", _answer)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield str(site.name)
    finally:
        await runner.cleanup()


async def _answer(_request: web.Request) -> web.Response:
    return web.Response(text="yes")
