"""What the pages for browsers share: templates, words for money and time, safe headers."""

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from aiohttp.typedefs import Handler

# No form-action: browsers apply it to where a form's answer redirects as well, and a paid
# checkout leads back to the shop.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

# Currencies without minor units, in which an amount is a number of whole units (Stripe,
# "Supported currencies", zero-decimal currencies).
_WHOLE_UNITS = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split()  # noqa: SIM905 - the provider's list, as it stands there
)


def set_up_templates(app: web.Application) -> None:
    """Make the templates known to the application."""
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": say_money, "instant": say_instant}


def show_page(
    request: web.Request,
    template: str,
    context: dict[str, Any],  # Any: whatever the template shows
    status: HTTPStatus = HTTPStatus.OK,
) -> web.Response:
    """Return a page that no cache keeps and no other site frames."""
    answer = aiohttp_jinja2.render_template(template, request, context, status=status)
    answer.headers.update(_HEADERS)
    return answer


def show_notice(request: web.Request, heading: str, text: str, status: HTTPStatus) -> web.Response:
    """Return a page that says one thing."""
    return show_page(request, "notice.html", {"heading": heading, "text": text}, status)


@web.middleware
async def refuse_foreign_forms(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a page of another site posts: it could move the clock behind one's back.

    Browsers say where a request comes from (W3C, Fetch Metadata Request Headers); programs
    say nothing, and pass.
    """
    origin = request.headers.get("Sec-Fetch-Site", "none")
    if request.method == "POST" and origin not in {"same-origin", "none"}:
        text = "This form was sent from another site. Open the page here and try again."
        return show_notice(request, "Not from here", text, HTTPStatus.FORBIDDEN)
    return await handler(request)


async def fields_of(request: web.Request) -> dict[str, str]:
    """Return the fields of a form or of a JSON object, as text.

    Raises:
        web.HTTPBadRequest: the body is neither.
    """
    try:
        if request.content_type == "application/json":
            found = (await request.json()).items()
        else:
            found = (await request.post()).items()
    except (ValueError, LookupError, AttributeError) as error:
        raise web.HTTPBadRequest(text="The body cannot be read.\n") from error
    return {name: str(value) for name, value in found}


def say_money(amount_minor: int, currency: str) -> str:
    """Return the amount for people, `5.00 EUR` or `500 JPY`."""
    if currency in _WHOLE_UNITS:
        return f"{amount_minor:,} {currency.upper()}"
    return f"{amount_minor // 100:,}.{amount_minor % 100:02} {currency.upper()}"


def say_instant(at_s: int) -> str:
    """Return the instant for people, to the minute."""
    return f"{datetime.fromtimestamp(at_s, UTC):%d %B %Y, %H:%M} UTC"
