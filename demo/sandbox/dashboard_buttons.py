"""The dashboard's buttons: money that goes back, a customer's portal, how events travel."""

from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

from demo.sandbox.disputes import close_dispute, open_dispute
from demo.sandbox.errors import APIError
from demo.sandbox.knobs import read_knobs
from demo.sandbox.ledger import Ledger
from demo.sandbox.pages import fields_of, show_notice
from demo.sandbox.portal import create_portal_session
from demo.sandbox.refunds import create_refund


class DashboardButtons:
    """Each does one thing and leads on from it, or says why it was not done."""

    def __init__(self, ledger: Ledger, on_change: Callable[[], None]) -> None:
        self._ledger = ledger
        self._on_change = on_change

    def routes(self) -> list[web.RouteDef]:
        """Return a route for each button."""
        return [
            web.post("/sandbox/charges/{id}/refund", self.refund),
            web.post("/sandbox/charges/{id}/dispute", self.dispute),
            web.post("/sandbox/disputes/{id}/close", self.close),
            web.post("/sandbox/customers/{id}/portal", self.open_portal),
            web.post("/sandbox/delivery", self.set_knobs),
            web.post("/sandbox/deliveries/release", self.release),
        ]

    async def refund(self, request: web.Request) -> web.StreamResponse:
        """Refund all that is left of the charge."""
        charge_id = request.match_info["id"]

        def act(at_s: int) -> None:
            create_refund(self._ledger, {"charge": charge_id}, at_s)

        return self._do(request, act)

    async def dispute(self, request: web.Request) -> web.StreamResponse:
        """Have the charge disputed as fraud."""
        charge_id = request.match_info["id"]

        def act(at_s: int) -> None:
            charge = self._ledger.get("charge", charge_id)
            reason = "fraudulent"
            open_dispute(self._ledger, charge, at_s, reason=reason, amount=None, inquiry=False)

        return self._do(request, act)

    async def close(self, request: web.Request) -> web.StreamResponse:
        """Decide the dispute: `outcome=won` for the shop, anything else against it."""
        is_won = (await fields_of(request)).get("outcome") == "won"
        dispute_id = request.match_info["id"]

        def act(at_s: int) -> None:
            dispute = self._ledger.get("dispute", dispute_id)
            close_dispute(self._ledger, dispute, at_s, is_won=is_won)

        return self._do(request, act)

    async def open_portal(self, request: web.Request) -> web.StreamResponse:
        """Lead to the customer's portal, as the shop would."""
        asked = {"customer": request.match_info["id"]}
        at_s = self._ledger.clock.now_s()
        try:
            session = create_portal_session(self._ledger, asked, public_url="", at_s=at_s)
        except APIError as error:
            return show_notice(request, "Not done", error.message, HTTPStatus(error.status))
        raise web.HTTPSeeOther(session["url"])

    async def set_knobs(self, request: web.Request) -> web.StreamResponse:
        """Let events travel as the form says from now on."""
        fields = await fields_of(request)
        return self._do(request, lambda _: self._ledger.outbox.set_knobs(read_knobs(fields)))

    async def release(self, request: web.Request) -> web.StreamResponse:
        """Let everything go that is held, in the order of its making."""
        outbox = self._ledger.outbox
        return self._do(request, lambda _: outbox.release(outbox.deliveries.held()))

    def _do(self, request: web.Request, act: Callable[[int], object]) -> web.StreamResponse:
        try:
            with self._ledger.store.transaction():
                act(self._ledger.clock.now_s())
        except APIError as error:
            return show_notice(request, "Not done", error.message, HTTPStatus(error.status))
        except ValueError as error:
            return show_notice(request, "Not done", str(error), HTTPStatus.BAD_REQUEST)
        self._on_change()
        raise web.HTTPSeeOther("/sandbox")
