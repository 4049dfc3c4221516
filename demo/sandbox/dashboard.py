"""The page on which a developer looks around and moves the clock."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import aiohttp_jinja2
from aiohttp import web

from demo.sandbox.clock import ADVANCE_LIMIT_S
from demo.sandbox.delivery import Courier
from demo.sandbox.due import settle_due
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject

_DAY_S = 86_400
_SHOWN = 20
# How long moving the clock waits for the receiver to hear of what has happened since.
_DELIVERY_LIMIT_S = 5.0


class Dashboard:
    """`/sandbox` and what its buttons do.

    `offset_file` is where others read by how many seconds the sandbox is ahead. It is
    written after the events of the time between were delivered: whoever follows it would
    otherwise see periods end before hearing of their renewal.
    """

    def __init__(
        self, ledger: Ledger, courier: Courier, offset_file: Path, on_change: Callable[[], None]
    ) -> None:
        self._ledger = ledger
        self._courier = courier
        self._offset_file = offset_file
        self._on_change = on_change

    def routes(self) -> list[web.RouteDef]:
        """Return the page, the clock and the state."""
        return [
            web.get("/sandbox", self.show),
            web.get("/sandbox/state", self.state),
            web.post("/sandbox/clock", self.advance),
            web.get("/sandbox/clock", self.clock),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Show subscriptions, events and the clock."""
        store = self._ledger.store
        events = list(islice(store.newest("event"), _SHOWN))
        context = {
            "now_s": self._ledger.clock.now_s(),
            "offset_days": self._ledger.clock.offset_s() // _DAY_S,
            "subscriptions": list(islice(store.newest("subscription"), _SHOWN)),
            "events": [(e, self._ledger.deliveries.find(e["id"])) for e in events],
        }
        answer = aiohttp_jinja2.render_template("dashboard.html", request, context)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def advance(self, request: web.Request) -> web.StreamResponse:
        """Move the clock by `advance_days`, and let everything happen that falls due."""
        is_json = request.content_type == "application/json"
        fields = await request.json() if is_json else await request.post()
        try:
            by_s = int(float(str(fields["advance_days"])) * _DAY_S)
            self._ledger.clock.advance(by_s)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            limit = ADVANCE_LIMIT_S // _DAY_S
            text = f"advance_days has to be a number above 0 and up to {limit}: {error}\n"
            raise web.HTTPBadRequest(text=text) from error
        await settle_due(self._ledger)
        self._on_change()
        await self._courier.wait_idle(_DELIVERY_LIMIT_S)
        self.write_offset()
        if is_json:
            return web.json_response(self._clock())
        raise web.HTTPSeeOther("/sandbox")

    async def clock(self, _request: web.Request) -> web.Response:
        """Tell the sandbox's time."""
        return web.json_response(self._clock())

    async def state(self, _request: web.Request) -> web.Response:
        """Tell in numbers what there is."""
        store = self._ledger.store
        kinds = ("customer", "checkout.session", "subscription", "invoice", "event")
        counts: JSONObject = {kind: store.count(kind) for kind in kinds}
        pending = self._ledger.deliveries.count_pending()
        return web.json_response({**self._clock(), **counts, "deliveries_pending": pending})

    def write_offset(self) -> None:
        """Write the offset for those who follow the sandbox's time, whole or not at all."""
        part = self._offset_file.with_suffix(".part")
        part.write_text(str(self._ledger.clock.offset_s()))
        part.replace(self._offset_file)

    def _clock(self) -> JSONObject:
        return {"now": self._ledger.clock.now_s(), "offset_s": self._ledger.clock.offset_s()}
