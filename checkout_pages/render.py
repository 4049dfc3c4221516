"""Templates and their environment."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web

from checkout_pages.presentation import (
    is_cancellable,
    is_endable,
    is_mendable,
    say_amount,
    say_instant,
    say_name,
    say_price,
    say_state,
)

_FOLDER = Path(__file__).parent


def set_up_templates(app: web.Application, public_url: str, *, is_demo: bool) -> None:
    """Load the templates; everything put into them is escaped.

    `public_url` is where the style is, also for pages on the apps' hosts. `is_demo` puts
    a banner on every page.
    """
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals |= {
        "public_url": public_url,
        "is_demo": is_demo,
        "say_amount": say_amount,
        "say_price": say_price,
        "say_instant": say_instant,
        "say_name": say_name,
        "say_state": say_state,
        "is_cancellable": is_cancellable,
        "is_endable": is_endable,
        "is_mendable": is_mendable,
    }
    app.router.add_static("/assets/", _FOLDER / "static")


def render(
    request: web.Request, template: str, status: HTTPStatus = HTTPStatus.OK, **context: Any
) -> web.Response:
    """Return the page; `context` may hold anything that its template shows."""
    facts = {"request_id": request.headers.get("X-Request-Id", ""), **context}
    return aiohttp_jinja2.render_template(template, request, facts, status=status)


def render_message(
    request: web.Request,
    title: str,
    text: str,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    links: tuple[tuple[str, str, str], ...] = (),
) -> web.Response:
    """Return a page that says one thing; `links` are (test id, URL, words)."""
    return render(request, "message.html", status, title=title, text=text, links=links)
