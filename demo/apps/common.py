"""What every sample app has: its frame, a public page, its received headers, its style."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web

_FOLDER = Path(__file__).parent
_SHOWN = ("x-entitlement-", "x-forwarded-", "x-request-id", "forwarded", "via")
_BODY_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Look:
    """How an app looks and what it says of itself. `accent` is a hue in degrees."""

    id: str
    name: str
    about: str
    accent: int


LOOK = web.AppKey("look", Look)


def create_app(look: Look) -> web.Application:
    """Return an application with everything but the app's own pages."""
    app = web.Application(client_max_size=_BODY_LIMIT_BYTES)
    app[LOOK] = look
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    app.add_routes(
        [
            web.get("/public/about", _about),
            web.get("/headers", _headers),
            web.get("/favicon.ico", _icon),
            web.static("/static/", _FOLDER / "static"),
        ]
    )
    return app


def show(request: web.Request, template: str, **context: Any) -> web.Response:
    """Return a page of the app; `context` may hold whatever its template shows."""
    frame = {"look": request.app[LOOK], "received": received(request), **context}
    return aiohttp_jinja2.render_template(template, request, frame)


def received(request: web.Request) -> list[tuple[str, str]]:
    """Return the headers that a gateway has set, in their order."""
    return [(k, v) for k, v in request.headers.items() if k.lower().startswith(_SHOWN)]


async def _about(request: web.Request) -> web.Response:
    return show(request, "about.html")


async def _headers(request: web.Request) -> web.Response:
    return web.json_response(list(request.headers.items()))


async def _icon(request: web.Request) -> web.Response:
    hue = request.app[LOOK].accent
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
        f'<rect width="16" height="16" rx="4" fill="hsl({hue} 60% 45%)"/></svg>'
    )
    return web.Response(text=text, content_type="image/svg+xml")
