"""One aiohttp application of all parts, and its background tasks."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from demo.sandbox.api import API
from demo.sandbox.catalog import CatalogEntry, load_catalog
from demo.sandbox.clock import VirtualClock
from demo.sandbox.control import Control
from demo.sandbox.dashboard import Dashboard
from demo.sandbox.dashboard_buttons import DashboardButtons
from demo.sandbox.delivery import Courier
from demo.sandbox.due import settle_due
from demo.sandbox.endpoints import keep_own_endpoint
from demo.sandbox.faults import Faults
from demo.sandbox.hosted_page import HostedPage
from demo.sandbox.invoice_page import InvoicePage
from demo.sandbox.invoices import move_open_invoices
from demo.sandbox.ledger import Ledger
from demo.sandbox.outbox import Outbox
from demo.sandbox.pages import refuse_foreign_forms, set_up_templates
from demo.sandbox.portal_page import PortalPage
from demo.sandbox.sessions import move_open_sessions
from demo.sandbox.shapes import Shapes
from demo.sandbox.store import Store

OFFSET_FILE = "clock-offset"
LEDGER = web.AppKey("ledger", Ledger)
COURIER = web.AppKey("courier", Courier)
FAULTS = web.AppKey("faults", Faults)
_BODY_LIMIT_BYTES = 256 * 1024
_SETTLE_EVERY_S = 1.0

_log = logging.getLogger("sandbox")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the sandbox is started with.

    `data` None keeps everything in memory. `public_url` is the base under which browsers reach
    it; an empty `webhook_url` makes no endpoint; `wall_s` returns the seconds of the machine's
    clock. Without `is_delivering` events are kept and not sent, and no task runs: what falls
    due happens when the API is called, or when `settle_due` is (the application's ledger is
    under `LEDGER`), and who has `COURIER` may deliver by hand, as who has `FAULTS` may add some.
    """

    data: Path | None
    public_url: str
    webhook_url: str
    webhook_secret: str
    api_key: str
    catalog: tuple[CatalogEntry, ...]
    wall_s: Callable[[], float] = time.time
    is_delivering: bool = True


def create_app(settings: Settings) -> web.Application:
    """Open the store, bring the catalog into it, and return the application."""
    public_url = settings.public_url.rstrip("/")
    store = Store.open(settings.data)
    clock = VirtualClock(store, settings.wall_s)
    ledger = Ledger(store, Outbox(store, clock), Shapes.load(), clock, public_url)
    load_catalog(ledger, list(settings.catalog), clock.now_s())
    move_open_sessions(ledger, public_url)
    move_open_invoices(ledger)
    if settings.webhook_url:
        now_s = clock.now_s()
        keep_own_endpoint(ledger, settings.webhook_url, settings.webhook_secret, now_s)
    courier = Courier(ledger.outbox, store, clock)
    faults = Faults()
    offset_file = None if settings.data is None else settings.data / OFFSET_FILE
    dashboard = Dashboard(ledger, courier, offset_file)
    dashboard.write_offset()

    app = web.Application(client_max_size=_BODY_LIMIT_BYTES, middlewares=[refuse_foreign_forms])
    app[LEDGER], app[COURIER], app[FAULTS] = ledger, courier, faults
    set_up_templates(app)
    api = API(
        ledger,
        settings.api_key,
        public_url,
        faults,
        on_change=courier.wake,
        on_moved=dashboard.write_offset,
    )
    app.add_routes(api.routes())
    app.add_routes(Control(ledger, courier, faults, settings.api_key).routes())
    app.add_routes(HostedPage(ledger, courier.wake).routes())
    app.add_routes(InvoicePage(ledger, courier.wake).routes())
    app.add_routes(PortalPage(ledger, courier.wake).routes())
    app.add_routes(dashboard.routes())
    app.add_routes(DashboardButtons(ledger, courier.wake).routes())
    background: list[asyncio.Task[None]] = []

    async def tell_health(_request: web.Request) -> web.Response:
        dead = [task.get_name() for task in background if task.done()]
        return web.json_response({"status": "ok", "dead": dead}, status=503 if dead else 200)

    async def run_background(_app: web.Application) -> AsyncIterator[None]:
        if settings.is_delivering:
            background.append(asyncio.create_task(_deliver_for_ever(courier), name="courier"))
            background.append(asyncio.create_task(_settle_for_ever(ledger, courier), name="time"))
        yield
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        store.close()

    app.add_routes([web.get("/healthz", tell_health)])
    app.cleanup_ctx.append(run_background)
    return app


async def _deliver_for_ever(courier: Courier) -> None:
    """Deliver; what stopped the courier is logged, and what it left pending taken up again."""
    while True:
        try:
            await courier.run()
        except Exception:  # noqa: BLE001 - the top of a task: logged
            _log.exception("deliveries start over")
            await asyncio.sleep(_SETTLE_EVERY_S)


async def _settle_for_ever(ledger: Ledger, courier: Courier) -> None:
    """Let happen what falls due while time simply passes."""
    while True:
        try:
            if await settle_due(ledger):
                courier.wake()
        except Exception:  # noqa: BLE001 - the top of a task: logged
            _log.exception("what falls due waits a moment")
        await asyncio.sleep(_SETTLE_EVERY_S)
