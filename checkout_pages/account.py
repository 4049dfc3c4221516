"""The visitor's own pages: what there is, what is paid for, and signing out."""

from http import HTTPStatus

from aiohttp import web

from billing.errors import ProviderRefusedError
from checkout_pages.ports import Shop
from checkout_pages.render import render, render_message
from checkout_pages.visit import Desk, see, sign_in_path


class AccountPages:
    """The front page and the account."""

    def __init__(self, desk: Desk, shop: Shop) -> None:
        self._desk = desk
        self._shop = shop

    async def front(self, request: web.Request) -> web.Response:
        """Show the apps behind this gateway."""
        signed_in = await self._desk.find_signed_in(request)
        return render(
            request,
            "front.html",
            apps=self._desk.settings.apps,
            visitor=signed_in.visitor if signed_in else None,
        )

    async def show(self, request: web.Request) -> web.Response:
        """Show who is signed in and what they pay for."""
        signed_in = await self._desk.find_signed_in(request)
        if signed_in is None:
            return see(sign_in_path(""))
        settings = self._desk.settings
        demo = settings.demo
        issue_token = demo.issue_token if demo else None
        programs = next((app for app in settings.apps if app.id == "api"), settings.apps[0])
        return render(
            request,
            "account.html",
            visitor=signed_in.visitor,
            subscriptions=await self._shop.subscriptions(signed_in.visitor.client_id),
            csrf=self._desk.csrf(signed_in),
            apps=settings.apps,
            sandbox_url=demo.sandbox_url if demo else "",
            token=issue_token(signed_in.visitor.name) if issue_token else "",
            programs_url=programs.url,
        )

    async def cancel(self, request: web.Request) -> web.Response:
        """Let a subscription end with its paid period."""
        return await self._change(request, "cancel")

    async def resume(self, request: web.Request) -> web.Response:
        """Take a cancellation back."""
        return await self._change(request, "resume")

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session here and on every app's host."""
        signed_in, _ = await self._desk.read_form(request)
        await self._desk.visitors.sign_out(signed_in.token)
        answer = see("/")
        answer.del_cookie(
            self._desk.settings.session_cookie,
            path="/",
            secure=self._desk.settings.is_secure,
            httponly=True,
            samesite="Lax",
        )
        return answer

    async def _change(self, request: web.Request, what: str) -> web.Response:
        signed_in, form = await self._desk.read_form(request)
        change = self._shop.cancel if what == "cancel" else self._shop.resume
        try:
            found = await change(signed_in.visitor.client_id, form.get("subscription", ""))
        except ProviderRefusedError:
            return render_message(
                request,
                "That was not possible",
                "The payment provider says that this subscription cannot be changed any more.",
                HTTPStatus.CONFLICT,
                links=(("", "/account", "Your account"),),
            )
        if not found:
            raise web.HTTPNotFound
        return see("/account")
