"""The page on which a buyer pays, where Stripe's own hosted page would be."""

from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

from demo.sandbox.bank_accounts import parse_iban
from demo.sandbox.cards import CVC_DEFAULT, EXPIRY_DEFAULT, Card, parse_card
from demo.sandbox.challenges import begin_challenge, end_challenge, has_challenge
from demo.sandbox.ledger import Ledger
from demo.sandbox.pages import fields_of, show_notice, show_page
from demo.sandbox.purchases import Means, pay_session, refuse_card
from demo.sandbox.sessions import expire_session, line_items, plan_of, takes_no_card
from demo.sandbox.shapes import JSONObject
from demo.sandbox.trials import trial_end_of

# What the form holds when it is shown for the first time.
_PREFILLED = {
    "email": "",
    "method": "card",
    "card": "4242 4242 4242 4242",
    "expiry": EXPIRY_DEFAULT,
    "cvc": CVC_DEFAULT,
    "iban": "",
}

# The longest address that mail takes (RFC 5321, section 4.5.3.1.3).
_EMAIL_CHARS = 254


class HostedPage:
    """`/c/pay/{id}`: shows a session, and takes its payment once.

    A card whose bank asks its holder leads over `/c/pay/{id}/authenticate`.
    """

    def __init__(self, ledger: Ledger, on_change: Callable[[], None]) -> None:
        self._ledger = ledger
        self._on_change = on_change

    def routes(self) -> list[web.RouteDef]:
        """Return the pages and their forms."""
        return [
            web.get("/c/pay/{id}", self.show),
            web.post("/c/pay/{id}", self.pay),
            web.get("/c/pay/{id}/authenticate", self.ask),
            web.post("/c/pay/{id}/authenticate", self.answer),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Show what is bought; a session that is paid leads on to where its buyer goes."""
        session = self._find(request)
        if session is None:
            return _show_missing(request)
        if session["status"] == "complete":
            raise web.HTTPSeeOther(success_url(session))
        return self._page(request, session, _PREFILLED | {"email": session["customer_email"] or ""})

    async def pay(self, request: web.Request) -> web.StreamResponse:
        """Take the payment. A second click finds the session complete and pays nothing.

        Nothing is awaited between the look at the session and its payment, so two clicks
        cannot both find it open.
        """
        form = await fields_of(request)
        fields = {name: form.get(name, usual) for name, usual in _PREFILLED.items()}
        session = self._find(request)
        if session is None:
            return _show_missing(request)
        if session["status"] == "complete":
            raise web.HTTPSeeOther(success_url(session))
        if session["status"] != "open":
            return self._page(request, session, fields)
        refusal = self._try_to_pay(session, fields)
        if refusal is not None:
            return self._page(request, session, fields, refusal)
        if has_challenge(self._ledger, session):
            raise web.HTTPSeeOther(f"/c/pay/{session['id']}/authenticate")
        raise web.HTTPSeeOther(success_url(session))

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """Ask the card's holder, where the card's bank wants that; else lead back."""
        session = self._find(request)
        if session is None or not has_challenge(self._ledger, session):
            raise web.HTTPSeeOther(f"/c/pay/{request.match_info['id']}")
        return show_page(request, "authenticate.html", {"session": session})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Take the holder's answer: `outcome=complete` pays, and anything else refuses."""
        is_holder = (await fields_of(request)).get("outcome") == "complete"
        session = self._find(request)
        if session is None:
            return _show_missing(request)
        refusal = self._finish(session, is_holder=is_holder)
        self._on_change()
        if refusal is not None:
            return self._page(request, session, _PREFILLED, refusal)
        raise web.HTTPSeeOther(f"/c/pay/{session['id']}")

    def _finish(self, session: JSONObject, *, is_holder: bool) -> str | None:
        """End the challenge, once; return None, or why the card was refused after all."""
        now_s = self._ledger.clock.now_s()
        with self._ledger.store.transaction():
            waiting = end_challenge(self._ledger, session)
            if waiting is None or session["status"] != "open":
                return None
            card, email = waiting
            if is_holder:
                return pay_session(self._ledger, session, card, email, now_s)
            refuse_card(
                self._ledger, session, card, email, now_s, decline_code="authentication_failed"
            )
        return "Your bank could not confirm that it was you. Try again, or another card."

    def _try_to_pay(self, session: JSONObject, fields: dict[str, str]) -> str | None:
        """Pay the open session; return None, or the sentence that says why it was not paid."""
        email = fields["email"].strip()
        if email and ("@" not in email or len(email) > _EMAIL_CHARS):
            return "The e-mail address is invalid. It may also be left empty."
        now_s = self._ledger.clock.now_s()
        means = _read_means(session, fields, now_s)
        if isinstance(means, str):
            return means
        with self._ledger.store.transaction():
            end_challenge(self._ledger, session)
            if isinstance(means, Card) and means.is_challenged:
                begin_challenge(self._ledger, session, means, email or None)
                return None
            refusal = pay_session(self._ledger, session, means, email or None, now_s)
        self._on_change()
        return refusal

    def _find(self, request: web.Request) -> JSONObject | None:
        """Return the session; one whose time is up expires here, not a second later."""
        session = self._ledger.store.find("checkout.session", request.match_info["id"])
        if session is None:
            return None
        is_over = session["expires_at"] <= self._ledger.clock.now_s()
        if session["status"] == "open" and is_over:
            with self._ledger.store.transaction():
                session = expire_session(self._ledger, session, session["expires_at"])
            self._on_change()
        return session

    def _page(
        self, request: web.Request, session: JSONObject, fields: dict[str, str], error: str = ""
    ) -> web.Response:
        lines = [
            (line, self._ledger.get("product", line["price"]["product"]))
            for line in line_items(self._ledger, session["id"])
        ]
        trial_end_s = trial_end_of(
            plan_of(self._ledger, session)["subscription_data"], self._ledger.clock.now_s()
        )
        context = {
            "session": session,
            "lines": lines,
            "fields": fields,
            "error": error,
            "trial_end_s": trial_end_s,
            "takes_no_card": takes_no_card(session),
        }
        if session["status"] != "open":
            return show_page(request, "pay.html", context, HTTPStatus.GONE)
        status = HTTPStatus.PAYMENT_REQUIRED if error else HTTPStatus.OK
        return show_page(request, "pay.html", context, status)


def _read_means(session: JSONObject, fields: dict[str, str], now_s: int) -> Means | str | None:
    """Return what the form pays with, None where nothing has to be paid, or what is wrong."""
    if fields["method"] not in session["payment_method_types"]:
        return "This cannot be paid in that way."
    if fields["method"] == "sepa_debit":
        return parse_iban(fields["iban"])
    if takes_no_card(session) and not fields["card"].strip():
        return None
    return parse_card(fields["card"], fields["expiry"], fields["cvc"].strip(), now_s)


def _show_missing(request: web.Request) -> web.Response:
    text = "The address may be cut short. Go back to where you came from and choose again."
    return show_notice(request, "There is no such checkout", text, HTTPStatus.NOT_FOUND)


def success_url(session: JSONObject) -> str:
    """Return where the buyer goes after paying, with the session's id filled in."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", str(session["id"]))
