"""Who is looking and where they want to go: session cookies, signed targets, ways back."""

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from aiohttp import web

from checkout_pages.forms import csrf_token, has_csrf_token, is_from_us
from checkout_pages.ports import AppInfo, Clock, PageSettings, Visitor, Visitors
from checkout_pages.render import render_message
from policies.return_url import BadTarget, ReturnTarget, is_local_path, verify_target

# A parent domain may have set a twin of our cookie; more than this are an experiment.
_MAX_TWINS = 4

# How browsers send the forms of our pages; no other way has to be understood.
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A visitor with a live session of the gateway's own host."""

    visitor: Visitor
    token: str


class Desk:
    """What every page asks: who is this, and where may they be sent."""

    def __init__(self, visitors: Visitors, settings: PageSettings, wall: Clock) -> None:
        self.visitors = visitors
        self.settings = settings
        self._wall = wall

    async def find_signed_in(self, request: web.Request) -> SignedIn | None:
        """Return who is signed in, or None."""
        for token in cookies_of(request, self.settings.session_cookie):
            visitor = await self.visitors.find(token)
            if visitor is not None:
                return SignedIn(visitor, token)
        return None

    def find_target(self, text: str) -> ReturnTarget | None:
        """Return the page of an app that a signed text stands for, or None."""
        found = verify_target(text, self.settings.signing_key, self._wall())
        if isinstance(found, BadTarget) or self.find_app(found.host) is None:
            return None
        return found

    def find_app(self, host: str) -> AppInfo | None:
        """Return the app at the host."""
        return next((app for app in self.settings.apps if app.host == host), None)

    def page_url(self, host: str, target: str) -> str:
        """Return the URL of an app's page; whatever is no page of ours is its front page."""
        app = self.find_app(host)
        if app is None:
            return self.settings.public_url
        return f"{app.url}{target}" if is_local_path(target) else app.url

    def csrf(self, signed_in: SignedIn) -> str:
        """Return the token for the forms of a page."""
        return csrf_token(signed_in.token, self.settings.signing_key)

    async def read_form(self, request: web.Request) -> tuple[SignedIn, dict[str, str]]:
        """Return who sent a form of ours and what it says.

        Raises:
            web.HTTPSeeOther: nobody is signed in any more.
            web.HTTPForbidden: the form was not on a page of ours.
        """
        form = await fields_of(request)
        signed_in = await self.find_signed_in(request)
        if signed_in is None:
            raise web.HTTPSeeOther(sign_in_path(form.get("to", "")))
        token_is_good = has_csrf_token(
            form.get("csrf", ""), signed_in.token, self.settings.signing_key
        )
        if not token_is_good or not is_from_us(request, self.settings.public_url):
            raise web.HTTPForbidden(text="This form was not on a page of this gateway.\n")
        return signed_in, form

    def refuse_target(self, request: web.Request) -> web.Response:
        """Answer a target that is not ours, or too old."""
        links = tuple(("", app.url, app.name) for app in self.settings.apps)
        return render_message(
            request,
            "This link is too old",
            "Open the app again; you will be led on from there.",
            HTTPStatus.BAD_REQUEST,
            links=links,
        )


async def fields_of(request: web.Request) -> dict[str, str]:
    """Return the fields of a form, which is sent as the forms of our pages are.

    Raises:
        web.HTTPUnsupportedMediaType: it is sent in another way.
        web.HTTPBadRequest: it cannot be read.
    """
    if request.body_exists and not _is_form_of_ours(request):
        raise web.HTTPUnsupportedMediaType(text="This is not the form of a page.\n")
    try:
        form = await request.post()
    except ValueError as error:
        raise web.HTTPBadRequest(text="This form cannot be read.\n") from error
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _is_form_of_ours(request: web.Request) -> bool:
    return request.content_type == _FORM and (request.charset or "utf-8").lower() == "utf-8"


def sign_in_path(target: str) -> str:
    """Return where to sign in and then go on to the signed target."""
    return f"/sign-in?to={quote(target)}" if target else "/sign-in"


def see(location: str) -> web.Response:
    """Send the browser on with GET."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})


def set_cookie(answer: web.Response, settings: PageSettings, token: str) -> None:
    """Keep a session in the browser, for this host alone."""
    answer.set_cookie(
        settings.session_cookie,
        token,
        max_age=settings.session_ttl_s,
        path="/",
        httponly=True,
        secure=settings.is_secure,
        samesite="Lax",
    )


def cookies_of(request: web.Request, name: str) -> list[str]:
    """Return the values of every cookie of the name."""
    values = []
    for line in request.headers.getall("Cookie", ()):
        for part in line.split(";"):
            key, mark, value = part.strip(" \t").partition("=")
            if mark and key == name:
                values.append(value)
    return values[:_MAX_TWINS]
