"""Choosing a plan, the provider's page, and coming back from it."""

from http import HTTPStatus

from aiohttp import web

from billing.errors import NotPossibleError, ProviderRefusedError, UnknownPlanError
from billing.model import CheckoutState, Hosted, Returned, Settling
from checkout_pages.forms import count_of
from checkout_pages.held import render_held
from checkout_pages.ports import Shop
from checkout_pages.render import render, render_message
from checkout_pages.visit import Desk, see, sign_in_path

# A payment that settles later (a bank debit) is asked for this often, then by hand.
_REFRESH_S = 2
_MAX_REFRESHES = 30


class CheckoutPages:
    """The pages between a closed door and an open one."""

    def __init__(self, desk: Desk, shop: Shop) -> None:
        self._desk = desk
        self._shop = shop

    async def show(self, request: web.Request) -> web.Response:
        """Show the plans that unlock what the visitor asked for."""
        to = request.query.get("to", "")
        target = self._desk.find_target(to)
        if target is None:
            return self._desk.refuse_target(request)
        signed_in = await self._desk.find_signed_in(request)
        if signed_in is None:
            return see(sign_in_path(to))
        app = self._desk.find_app(target.host)
        return render(
            request,
            "plans.html",
            app=app,
            to=to,
            plans=self._shop.plans(target.app_id, target.feature),
            app_names={info.id: info.name for info in self._desk.settings.apps},
            visitor=signed_in.visitor,
            is_other=bool(target.client_id) and target.client_id != signed_in.visitor.client_id,
            csrf=self._desk.csrf(signed_in),
        )

    async def begin(self, request: web.Request) -> web.Response:
        """Open the provider's page for the chosen plan."""
        signed_in, form = await self._desk.read_form(request)
        target = self._desk.find_target(form.get("to", ""))
        if target is None:
            return self._desk.refuse_target(request)
        plan_id = form.get("plan", "")
        offered = self._shop.plans(target.app_id, target.feature)
        if plan_id not in {plan.id for plan in offered}:
            return self._refuse(request, "This plan does not open what you asked for.")
        quantity = count_of(form)
        try:
            begun = await self._shop.begin(
                signed_in.visitor.client_id,
                plan_id,
                return_host=target.host,
                return_to=target.target,
                quantity=quantity,
            )
        except UnknownPlanError:
            return self._refuse(request, "This plan is no longer for sale.")
        except NotPossibleError:
            return self._refuse(request, "This plan is not sold in that number.")
        except ProviderRefusedError:
            return render_message(
                request,
                "The payment provider said no",
                "This plan cannot be bought just now. Nothing was charged.",
                HTTPStatus.BAD_GATEWAY,
            )
        if isinstance(begun, Hosted):
            return see(begun.url)
        if isinstance(begun, Settling):
            return render_message(
                request,
                "Your payment is on its way",
                f"You have ordered {begun.plan.name}, and the bank has not answered yet. Nothing is"
                " charged twice; your apps open when the payment arrives.",
                links=(("", "/account", "Your account"),),
            )
        return render_held(
            request,
            begun,
            csrf=self._desk.csrf(signed_in),
            quantity=quantity,
            page=self._desk.page_url(target.host, target.target),
        )

    async def come_back(self, request: web.Request) -> web.Response:
        """Ask the provider what was paid, and open the door before the webhook arrives.

        Nothing in the URL is believed; without money this page grants nothing.
        """
        signed_in = await self._desk.find_signed_in(request)
        if signed_in is None:
            return see(sign_in_path(""))
        session_id = request.query.get("session_id", "")
        returned = await self._shop.finish(session_id) if session_id.isprintable() else None
        if returned is None:
            raise web.HTTPNotFound
        if returned.client_id != signed_in.visitor.client_id:
            return self._refuse_stranger(request)
        page = self._desk.page_url(returned.host, returned.target)
        if returned.state is CheckoutState.PAID:
            return see(page)
        if returned.state is CheckoutState.SETTLING:
            return self._wait(request)
        if returned.state is CheckoutState.FAILED:
            return render_message(
                request,
                "Your payment failed",
                "The bank did not pay, and nothing was charged. You can choose again, and pay in"
                " another way.",
                links=(("choose-again", page, "Choose again"), ("", "/", "To the apps")),
            )
        return self._not_paid(request, returned)

    async def abandoned(self, request: web.Request) -> web.Response:
        """Receive a visitor who left the provider's page without paying."""
        signed_in = await self._desk.find_signed_in(request)
        returned = None
        if signed_in is not None:
            returned = await self._shop.find_abandoned(request.query.get("checkout", ""))
        if signed_in is None or returned is None:
            return self._not_paid(request, None)
        if returned.client_id != signed_in.visitor.client_id:
            return self._refuse_stranger(request)
        return self._not_paid(request, returned)

    def _not_paid(self, request: web.Request, returned: Returned | None) -> web.Response:
        links: tuple[tuple[str, str, str], ...] = (("", "/", "To the apps"),)
        if returned is not None:
            page = self._desk.page_url(returned.host, returned.target)
            links = (("choose-again", page, "Choose again"), *links)
        return render_message(
            request,
            "Nothing was charged",
            "You left the payment page without paying. Your choice is still there.",
            links=links,
        )

    def _wait(self, request: web.Request) -> web.Response:
        count = request.query.get("n", "0")
        looked = int(count) if count.isdecimal() and len(count) < 4 else 0
        again = request.rel_url.update_query(n=looked + 1)
        answer = render_message(
            request,
            "Your payment is on its way",
            "The provider has it and the bank has not answered yet. This page looks again by"
            " itself; you may also close it: your apps open when the payment arrives.",
            links=(("look-again", str(again), "Look again"),),
        )
        if looked < _MAX_REFRESHES:
            answer.headers["Refresh"] = f"{_REFRESH_S}; url={again}"
        return answer

    def _refuse(self, request: web.Request, text: str) -> web.Response:
        return render_message(
            request,
            "Please choose again",
            text,
            HTTPStatus.BAD_REQUEST,
            links=(("", "/", "To the apps"),),
        )

    def _refuse_stranger(self, request: web.Request) -> web.Response:
        return render_message(
            request,
            "This payment belongs to somebody else",
            "Sign in as the visitor who began it.",
            HTTPStatus.FORBIDDEN,
            links=(("", "/account", "Your account"),),
        )
