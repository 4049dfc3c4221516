"""The page on which a developer looks around, moves the clock, and makes renewals fail."""

from http import HTTPStatus
from itertools import islice
from pathlib import Path

from aiohttp import web

from demo.sandbox.clock import ADVANCE_LIMIT_S
from demo.sandbox.delivery import Courier
from demo.sandbox.destinations import payload_of
from demo.sandbox.due import settle_due
from demo.sandbox.ledger import Ledger
from demo.sandbox.pages import fields_of, show_notice, show_page
from demo.sandbox.payment_methods import has_failing_card, replace_card
from demo.sandbox.schedule import ENDED
from demo.sandbox.shapes import JSONObject

_DAY_S = 86_400
_SHOWN = 20
# How long moving the clock waits for the receiver to hear of what has happened since.
_DELIVERY_LIMIT_S = 5.0

# What `/sandbox/state` counts, by the name under which it tells it.
_COUNTED = {
    "customers": "customer",
    "sessions": "checkout.session",
    "subscriptions": "subscription",
    "invoices": "invoice",
    "payments": "payment_intent",
    "events": "event",
}


class Dashboard:
    """`/sandbox` and what its buttons do.

    `offset_file` is where others read by how many seconds the sandbox is ahead. It is
    written once everything due has happened here, and before anybody is told: whoever
    follows it finds the renewal of a period that ended, and never waits for a webhook.
    """

    def __init__(self, ledger: Ledger, courier: Courier, offset_file: Path | None) -> None:
        self._ledger = ledger
        self._courier = courier
        self._offset_file = offset_file

    def routes(self) -> list[web.RouteDef]:
        """Return the page, the clock, the state and the buttons."""
        return [
            web.get("/", self.lead_on),
            web.get("/sandbox", self.show),
            web.get("/sandbox/state", self.state),
            web.get("/sandbox/clock", self.clock),
            web.post("/sandbox/clock", self.advance),
            web.post("/sandbox/customers/{id}/renewals", self.set_renewals),
            web.post("/sandbox/events/{id}/resend", self.resend),
        ]

    async def lead_on(self, _request: web.Request) -> web.StreamResponse:
        """Lead to the dashboard, for who knows only the address."""
        raise web.HTTPSeeOther("/sandbox")

    async def show(self, request: web.Request) -> web.Response:
        """Show what there is, how events travel, and the clock."""
        store = self._ledger.store
        events = list(islice(store.newest("event"), _SHOWN))
        living = (c for c in store.newest("customer") if "deleted" not in c)
        customers = list(islice(living, _SHOWN))
        context = {
            "now_s": self._ledger.clock.now_s(),
            "offset_days": self._ledger.clock.offset_s() // _DAY_S,
            "subscriptions": list(islice(store.newest("subscription"), _SHOWN)),
            "customers": [self._describe(customer) for customer in customers],
            "charges": [self._charge(c) for c in islice(store.newest("charge"), _SHOWN)],
            "endpoints": [
                (e, payload_of(store, e["id"])) for e in store.oldest("webhook_endpoint")
            ],
            "knobs": self._ledger.outbox.knobs,
            "deliveries": self._ledger.outbox.deliveries.counts(),
            "events": [(e, self._ledger.outbox.deliveries.of_event(e["id"])) for e in events],
        }
        return show_page(request, "dashboard.html", context)

    async def advance(self, request: web.Request) -> web.StreamResponse:
        """Move the clock by `advance_days`, and let everything happen that falls due."""
        is_json = request.content_type == "application/json"
        try:
            fields = await fields_of(request)
            by_s = int(float(fields["advance_days"]) * _DAY_S)
            self._ledger.clock.advance(by_s)
        except (KeyError, ValueError, OverflowError, web.HTTPBadRequest) as error:
            return self._refuse_step(request, error, is_json=is_json)
        try:
            await settle_due(self._ledger)
        finally:
            self.write_offset()
        # The page that comes back shows what came of it, and so does the gateway's.
        self._courier.wake()
        await self._courier.wait_idle(_DELIVERY_LIMIT_S)
        if is_json:
            return web.json_response(self._clock())
        raise web.HTTPSeeOther("/sandbox")

    async def clock(self, _request: web.Request) -> web.Response:
        """Tell the sandbox's time."""
        return web.json_response(self._clock())

    async def state(self, _request: web.Request) -> web.Response:
        """Tell in numbers what there is."""
        store = self._ledger.store
        counts = {name: store.count(kind) for name, kind in _COUNTED.items()}
        pending = self._ledger.outbox.deliveries.count_pending()
        return web.json_response({**self._clock(), **counts, "deliveries_pending": pending})

    async def set_renewals(self, request: web.Request) -> web.StreamResponse:
        """Give the customer a card whose renewals fail (`outcome=fail`), or pass (`pass`)."""
        outcome = (await fields_of(request)).get("outcome")
        customer = self._ledger.store.find("customer", request.match_info["id"])
        if customer is None:
            text = "It may belong to another sandbox."
            return show_notice(request, "No such customer", text, HTTPStatus.NOT_FOUND)
        if outcome not in {"fail", "pass"}:
            text = "outcome has to be fail or pass."
            return show_notice(request, "Neither", text, HTTPStatus.BAD_REQUEST)
        at_s = self._ledger.clock.now_s()
        replace_card(self._ledger, customer, at_s, fails=outcome == "fail")
        self._courier.wake()
        await self._courier.wait_idle(_DELIVERY_LIMIT_S)
        raise web.HTTPSeeOther("/sandbox")

    async def resend(self, request: web.Request) -> web.StreamResponse:
        """Send the event once more, which a receiver has to take as nothing new."""
        now_s = self._ledger.clock.wall_now_s()
        if not self._ledger.outbox.deliveries.resend(request.match_info["id"], now_s):
            text = "It may belong to another sandbox."
            return show_notice(request, "No such event", text, HTTPStatus.NOT_FOUND)
        self._courier.wake()
        await self._courier.wait_idle(_DELIVERY_LIMIT_S)
        raise web.HTTPSeeOther("/sandbox")

    def write_offset(self) -> None:
        """Write the offset for those who follow the sandbox's time, whole or not at all."""
        if self._offset_file is None:
            return
        part = self._offset_file.with_suffix(".part")
        part.write_text(str(self._ledger.clock.offset_s()))
        part.replace(self._offset_file)

    def _describe(self, customer: JSONObject) -> JSONObject:
        found = self._ledger.store.newest("subscription", owner=customer["id"])
        living = [s for s in islice(found, _SHOWN) if s["status"] not in ENDED]
        return {
            "id": customer["id"],
            "email": customer["email"] or "",
            "created": customer["created"],
            "living": len(living),
            "fails": any(has_failing_card(self._ledger, s) for s in living),
        }

    def _charge(self, charge: JSONObject) -> JSONObject:
        where = {"charge": charge["id"]}
        dispute = next(self._ledger.store.newest("dispute", where=where), None)
        is_paid = charge["status"] == "succeeded"
        return {
            **charge,
            "dispute": dispute,
            "may_be_refunded": is_paid and not charge["refunded"],
            "may_be_disputed": is_paid and not charge["disputed"] and dispute is None,
        }

    def _clock(self) -> JSONObject:
        return {"now": self._ledger.clock.now_s(), "offset_s": self._ledger.clock.offset_s()}

    @staticmethod
    def _refuse_step(request: web.Request, error: Exception, *, is_json: bool) -> web.Response:
        limit = ADVANCE_LIMIT_S // _DAY_S
        text = f"advance_days has to be a number above 0 and up to {limit}: {error}"
        if is_json:
            return web.json_response({"error": text}, status=HTTPStatus.BAD_REQUEST)
        return show_notice(request, "The clock was not moved", text, HTTPStatus.BAD_REQUEST)
