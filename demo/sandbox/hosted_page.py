"""The page on which a buyer pays, where Stripe's own hosted page would be."""

from collections.abc import Callable
from http import HTTPStatus

import aiohttp_jinja2
from aiohttp import web

from demo.sandbox.cards import parse_card
from demo.sandbox.ledger import Ledger
from demo.sandbox.sessions import line_items, pay_session
from demo.sandbox.shapes import JSONObject

_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}


class HostedPage:
    """`/c/pay/{id}`: shows a session, and takes its payment once."""

    def __init__(self, ledger: Ledger, on_change: Callable[[], None]) -> None:
        self._ledger = ledger
        self._on_change = on_change

    def routes(self) -> list[web.RouteDef]:
        """Return the page and its form."""
        return [web.get("/c/pay/{id}", self.show), web.post("/c/pay/{id}", self.pay)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Show what is bought; a session that is paid leads on to where its buyer goes."""
        session = self._find(request)
        if session["status"] == "complete":
            raise web.HTTPSeeOther(success_url(session))
        return self._page(request, session)

    async def pay(self, request: web.Request) -> web.StreamResponse:
        """Take the payment. A second click finds the session complete and pays nothing.

        Nothing is awaited between the look at the session and its payment, so two clicks
        cannot both find it open.
        """
        form = await request.post()
        session = self._find(request)
        if session["status"] == "complete":
            raise web.HTTPSeeOther(success_url(session))
        if session["status"] != "open":
            return self._page(request, session)
        fields = {name: str(form.get(name, "")) for name in ("card", "expiry", "cvc", "email")}
        now_s = self._ledger.clock.now_s()
        card = parse_card(fields["card"], fields["expiry"], fields["cvc"], now_s)
        if isinstance(card, str):
            return self._page(request, session, fields, card)
        with self._ledger.store.transaction():
            refusal = pay_session(self._ledger, session, card, fields["email"] or None, now_s)
        self._on_change()
        if refusal is not None:
            return self._page(request, session, fields, refusal)
        raise web.HTTPSeeOther(success_url(session))

    def _find(self, request: web.Request) -> JSONObject:
        session = self._ledger.store.find("checkout.session", request.match_info["id"])
        if session is None:
            raise web.HTTPNotFound
        return session

    def _page(
        self,
        request: web.Request,
        session: JSONObject,
        fields: dict[str, str] | None = None,
        error: str = "",
    ) -> web.Response:
        context = {
            "session": session,
            "lines": line_items(self._ledger, session["id"]),
            "fields": fields or {},
            "error": error,
        }
        status = HTTPStatus.PAYMENT_REQUIRED if error else HTTPStatus.OK
        answer = aiohttp_jinja2.render_template("pay.html", request, context, status=status)
        answer.headers.update(_HEADERS)
        return answer


def success_url(session: JSONObject) -> str:
    """Return where the buyer goes after paying, with the session's id filled in."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", str(session["id"]))
