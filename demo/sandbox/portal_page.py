"""The portal's page, where a customer looks after subscriptions, invoices and the card."""

from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

from demo.sandbox.cards import CVC_DEFAULT, EXPIRY_DEFAULT
from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.pages import fields_of, show_notice, show_page
from demo.sandbox.portal import act_in_portal, describe_portal, find_portal_session, url_after
from demo.sandbox.shapes import JSONObject


class PortalPage:
    """`/p/session/{id}`; whoever has the address is the customer, as with Stripe's own."""

    def __init__(self, ledger: Ledger, on_change: Callable[[], None]) -> None:
        self._ledger = ledger
        self._on_change = on_change

    def routes(self) -> list[web.RouteDef]:
        """Return the page and its forms."""
        return [
            web.get("/p/session/{id}", self.show),
            web.post("/p/session/{id}/{action}", self.act),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Show what the customer has."""
        session = self._find(request)
        return _show_missing(request) if session is None else self._page(request, session)

    async def act(self, request: web.Request) -> web.StreamResponse:
        """Do what a button asks for and lead on, or show what was wrong."""
        fields = await fields_of(request)
        session = self._find(request)
        if session is None:
            return _show_missing(request)
        at_s = self._ledger.clock.now_s()
        try:
            with self._ledger.store.transaction():
                action = request.match_info["action"]
                act_in_portal(self._ledger, session, action, fields, at_s)
        except APIError as error:
            return self._page(request, session, error)
        self._on_change()
        raise web.HTTPSeeOther(url_after(session))

    def _find(self, request: web.Request) -> JSONObject | None:
        at_s = self._ledger.clock.now_s()
        return find_portal_session(self._ledger, request.match_info["id"], at_s)

    def _page(
        self, request: web.Request, session: JSONObject, error: APIError | None = None
    ) -> web.Response:
        context = describe_portal(self._ledger, session) | {
            "error": "" if error is None else error.message,
            "expiry": EXPIRY_DEFAULT,
            "cvc": CVC_DEFAULT,
        }
        status = HTTPStatus.OK if error is None else HTTPStatus(error.status)
        return show_page(request, "portal.html", context, status)


def _show_missing(request: web.Request) -> web.Response:
    text = "Its hour may be over. Go back to where you came from and open it again."
    return show_notice(request, "There is no such page", text, HTTPStatus.NOT_FOUND)
