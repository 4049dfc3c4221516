"""The page of an invoice, where Stripe's `hosted_invoice_url` would lead."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from demo.sandbox.collection import collect, find_method
from demo.sandbox.invoices import payment_of
from demo.sandbox.ledger import Ledger
from demo.sandbox.pages import fields_of, show_notice, show_page
from demo.sandbox.shapes import JSONObject
from demo.sandbox.standing import follow_invoice

# What each button comes to, as `collect` takes it.
_TRY: Mapping[str, str | None] = {"pay": "of_the_card"}
_ANSWERS: Mapping[str, str | None] = {"complete": None, "fail": "authentication_failed"}


class InvoicePage:
    """`/i/{id}`: pays an open invoice with the card that there is, whose bank may ask first."""

    def __init__(self, ledger: Ledger, on_change: Callable[[], None]) -> None:
        self._ledger = ledger
        self._on_change = on_change

    def routes(self) -> list[web.RouteDef]:
        """Return the page and its form."""
        return [web.get("/i/{id}", self.show), web.post("/i/{id}", self.pay)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Show what is asked for, and whether it is paid."""
        invoice = self._find(request)
        return _show_missing(request) if invoice is None else self._page(request, invoice)

    async def pay(self, request: web.Request) -> web.StreamResponse:
        """Try the card, or take its holder's answer, whichever the page has asked for."""
        outcome = (await fields_of(request)).get("outcome", "")
        invoice = self._find(request)
        if invoice is None:
            return _show_missing(request)
        at_s = self._ledger.clock.now_s()
        with self._ledger.store.transaction():
            answers = _ANSWERS if self._asks_holder(invoice) else _TRY
            is_open = invoice["status"] == "open" and find_method(self._ledger, invoice) is not None
            if is_open and outcome in answers:
                refusal = answers[outcome]
                collect(self._ledger, invoice, at_s, is_scheduled=False, refusal=refusal)
                follow_invoice(self._ledger, invoice, at_s)
        self._on_change()
        raise web.HTTPSeeOther(f"/i/{invoice['id']}")

    def _page(self, request: web.Request, invoice: JSONObject) -> web.Response:
        context = {
            "invoice": invoice,
            "asks_holder": self._asks_holder(invoice),
            "has_card": find_method(self._ledger, invoice) is not None,
        }
        return show_page(request, "invoice.html", context)

    def _asks_holder(self, invoice: JSONObject) -> bool:
        payment = payment_of(self._ledger, invoice)
        if invoice["status"] != "open" or payment is None:
            return False
        intent = self._ledger.get("payment_intent", payment["payment"]["payment_intent"])
        return bool(intent["status"] == "requires_action")

    def _find(self, request: web.Request) -> JSONObject | None:
        """Return the invoice; a draft has no page yet."""
        invoice = self._ledger.store.find("invoice", request.match_info["id"])
        return None if invoice is None or invoice["status"] == "draft" else invoice


def _show_missing(request: web.Request) -> web.Response:
    text = "The shop can tell which invoices there are."
    return show_notice(request, "There is no such invoice", text, HTTPStatus.NOT_FOUND)
