"""Signing in, and the way back to an app with a ticket."""

from http import HTTPStatus
from urllib.parse import quote

from aiohttp import web

from checkout_pages.forms import is_from_us, parse_name
from checkout_pages.ports import PageSettings
from checkout_pages.presentation import DEMO_PREFIX
from checkout_pages.render import render, render_message
from checkout_pages.visit import Desk, cookies_of, fields_of, see, set_cookie
from policies.return_url import ReturnTarget, fingerprint


class SignInPages:
    """The sign-in page of the gateway's host, and `/.tollway/enter` of every app's."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._settings: PageSettings = desk.settings

    async def show(self, request: web.Request) -> web.Response:
        """Ask who the visitor is, unless that is known already."""
        to = request.query.get("to", "")
        target = self._desk.find_target(to) if to else None
        if to and target is None:
            return self._desk.refuse_target(request)
        signed_in = await self._desk.find_signed_in(request)
        if signed_in is not None:
            return see(await self._way_on(signed_in.token, to, target))
        if self._settings.demo is None:
            return render_message(
                request,
                "Sign-in is not set up",
                "This gateway takes bearer tokens only. Ask its operator how to get one.",
                HTTPStatus.NOT_IMPLEMENTED,
            )
        return self._ask(request, to, target)

    async def sign_in(self, request: web.Request) -> web.Response:
        """Take the demo's word for who the visitor is."""
        if self._settings.demo is None:
            raise web.HTTPNotFound
        if not is_from_us(request, self._settings.public_url):
            raise web.HTTPForbidden(text="This form was not on a page of this gateway.\n")
        form = await fields_of(request)
        to = form.get("to", "")
        target = self._desk.find_target(to) if to else None
        if to and target is None:
            return self._desk.refuse_target(request)
        name = parse_name(form.get("name", ""))
        if name is None:
            return self._ask(request, to, target, "Please give a name of at most 60 characters.")
        # A new session at every sign-in: one that was planted before is worth nothing, and
        # one of somebody else must not live on in the apps.
        for held in cookies_of(request, self._settings.session_cookie):
            await self._desk.visitors.sign_out(held)
        token = await self._desk.visitors.sign_in(f"{DEMO_PREFIX}{name.casefold()}")
        answer = see(await self._way_on(token, to, target))
        set_cookie(answer, self._settings, token)
        return answer

    async def enter(self, request: web.Request) -> web.Response:
        """Trade a ticket for a session on this app's host."""
        app = self._desk.find_app(request.host.partition(":")[0].lower())
        if app is None:
            raise web.HTTPNotFound
        flows = cookies_of(request, self._settings.flow_cookie)
        if not flows:
            return render_message(
                request,
                "Cookies are needed",
                "Your browser did not keep the cookie that you were sent away with. Allow cookies"
                " for this site, and open the app again.",
                HTTPStatus.BAD_REQUEST,
                links=(("", "/", f"Open {app.name}"),),
            )
        ticket = request.query.get("ticket", "")
        for flow in flows:
            entered = await self._desk.visitors.enter(
                ticket, host=app.host, fingerprint=fingerprint(flow)
            )
            if entered is not None:
                token, target = entered
                answer = see(self._desk.page_url(app.host, target))
                set_cookie(answer, self._settings, token)
                return answer
        return render_message(
            request,
            "This link was used already",
            "It works once, within a minute, in the browser that it was made for.",
            HTTPStatus.BAD_REQUEST,
            links=(("", "/", f"Open {app.name}"),),
        )

    async def _way_on(self, token: str, to: str, target: ReturnTarget | None) -> str:
        """Return where a visitor who is signed in goes next."""
        if target is None:
            return "/account"
        if not target.browser:
            # A program's link: no browser was sent away that could come back.
            return f"/checkout?to={quote(to)}"
        ticket = await self._desk.visitors.issue_ticket(
            token, host=target.host, target=target.target, fingerprint=target.browser
        )
        return self._desk.page_url(target.host, f"/.tollway/enter?ticket={quote(ticket)}")

    def _ask(
        self, request: web.Request, to: str, target: ReturnTarget | None, error: str = ""
    ) -> web.Response:
        app = self._desk.find_app(target.host) if target else None
        status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
        return render(request, "sign_in.html", status, to=to, app=app, error=error)
