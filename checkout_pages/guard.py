"""Which host a page answers on, and the headers of every page."""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from billing.errors import ProviderRefusedError, UnavailableError
from checkout_pages.ports import PageSettings
from checkout_pages.render import render_message

_log = structlog.get_logger("checkout_pages")

# No form-action: Chromium applies it to redirects after a post as well, and ours lead to
# the provider and to the apps' hosts.
_CONTENT_POLICY = "default-src 'none'; style-src {}; base-uri 'none'; frame-ancestors 'none'"
_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # `no-referrer` would turn the Origin of our own forms into "null".
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie",
    "Server": "tollway",
}
_RETRY_AFTER_S = 2


def host_of(request: web.Request) -> str:
    """Return the request's host without port; the proxy has made it canonical."""
    return request.host.partition(":")[0].lower()


def only_on(host: str, handler: Handler) -> Handler:
    """Return the handler so that it answers on one host alone."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if host_of(request) != host:
            raise web.HTTPNotFound
        return await handler(request)

    return answer


def guard_pages(settings: PageSettings) -> Middleware:
    """Return the middleware that marks every page and turns trouble into a page."""
    policy = _CONTENT_POLICY.format(settings.public_url)
    hosts = {settings.public_host, *(app.host for app in settings.apps)}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            answer = await handler(request)
        except web.HTTPNotFound as error:
            if host_of(request) not in hosts or not _is_page(request):
                _mark(error, policy)
                raise
            answer = render_message(
                request,
                "Not found",
                "There is no such page on this gateway.",
                HTTPStatus.NOT_FOUND,
                links=(("", settings.public_url, "To the apps"),),
            )
        except web.HTTPException as error:
            _mark(error, policy)
            raise
        except (UnavailableError, ProviderRefusedError) as error:
            _log.warning("page_unavailable", path=request.path, why=str(error))
            answer = _try_again(request)
        if answer.content_type == "text/html" or answer.status == HTTPStatus.SEE_OTHER:
            _mark(answer, policy)
        return answer

    return guard


def _mark(answer: web.StreamResponse, policy: str) -> None:
    answer.headers.update({**_HEADERS, "Content-Security-Policy": policy})


def _is_page(request: web.Request) -> bool:
    return request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("Accept", "")


def _try_again(request: web.Request) -> web.Response:
    answer = render_message(
        request,
        "One moment",
        "Something that we need did not answer. Nothing was lost and nothing was charged twice;"
        " try again in a few seconds.",
        HTTPStatus.SERVICE_UNAVAILABLE,
        links=(("try-again", request.path_qs, "Try again"),) if request.method == "GET" else (),
    )
    answer.headers["Retry-After"] = str(_RETRY_AFTER_S)
    if request.method == "GET":
        answer.headers["Refresh"] = str(_RETRY_AFTER_S)
    return answer
