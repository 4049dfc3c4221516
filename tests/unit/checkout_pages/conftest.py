"""The pages on a real socket."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web

from checkout_pages.ports import PageSettings
from checkout_pages.routes import add_pages
from tests.support.clock import FakeClock
from tests.support.pages import SETTINGS, MemoryShop, MemoryVisitors, Pages

Start = Callable[[PageSettings], Awaitable[Pages]]


@pytest.fixture
async def start_pages(clock: FakeClock) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(settings: PageSettings) -> Pages:
            visitors, shop = MemoryVisitors(clock), MemoryShop()
            app = web.Application(client_max_size=64 * 1024)
            add_pages(app, shop, visitors, settings, clock)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            http = await stack.enter_async_context(
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
            )
            host, port = runner.addresses[0][:2]
            return Pages(f"http://{host}:{port}", http, visitors, shop, clock, settings)

        yield start


@pytest.fixture
async def pages(start_pages: Start) -> Pages:
    return await start_pages(SETTINGS)
