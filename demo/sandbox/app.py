"""One aiohttp application of all parts, and its background tasks."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from demo.sandbox.api import API
from demo.sandbox.catalog import CatalogEntry, load_catalog
from demo.sandbox.clock import VirtualClock
from demo.sandbox.dashboard import Dashboard
from demo.sandbox.deliveries import Deliveries
from demo.sandbox.delivery import Courier
from demo.sandbox.due import settle_due
from demo.sandbox.hosted_page import HostedPage
from demo.sandbox.ledger import Ledger
from demo.sandbox.sessions import move_open_sessions
from demo.sandbox.shapes import Shapes
from demo.sandbox.store import Store

OFFSET_FILE = "clock-offset"
_BODY_LIMIT_BYTES = 256 * 1024
_SETTLE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the sandbox is started with."""

    data: Path
    public_url: str
    webhook_url: str
    webhook_secret: str
    api_key: str
    catalog: tuple[CatalogEntry, ...]


def create_app(settings: Settings) -> web.Application:
    """Open the store, bring the catalog into it, and return the application."""
    store = Store.open(settings.data)
    clock = VirtualClock(store, time.time)
    ledger = Ledger(store, Deliveries(store), Shapes.load(), clock)
    load_catalog(ledger, list(settings.catalog), clock.now_s())
    move_open_sessions(ledger, settings.public_url)
    courier = Courier(ledger.deliveries, clock, settings.webhook_url, settings.webhook_secret)
    dashboard = Dashboard(ledger, courier, settings.data / OFFSET_FILE, courier.wake)
    dashboard.write_offset()

    app = web.Application(client_max_size=_BODY_LIMIT_BYTES)
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"money": _say_money, "instant": _say_instant}
    app.add_routes(API(ledger, settings.api_key, settings.public_url, courier.wake).routes())
    app.add_routes(HostedPage(ledger, courier.wake).routes())
    app.add_routes(dashboard.routes())
    app.add_routes([web.get("/healthz", _healthz)])

    async def run_background(_app: web.Application) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(courier.run(), name="courier"),
            asyncio.create_task(_settle_for_ever(ledger, courier), name="time"),
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        store.close()

    app.cleanup_ctx.append(run_background)
    return app


async def _settle_for_ever(ledger: Ledger, courier: Courier) -> None:
    """Let happen what falls due while time simply passes."""
    while True:
        if await settle_due(ledger):
            courier.wake()
        await asyncio.sleep(_SETTLE_EVERY_S)


async def _healthz(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def _say_money(amount_minor: int, currency: str) -> str:
    return f"{amount_minor / 100:.2f} {currency.upper()}"


def _say_instant(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%d %B %Y, %H:%M} UTC"
