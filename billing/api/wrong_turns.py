"""Paths that are not there, and methods that a path does not take, told in the API's form.

A browser that a person drives goes on getting pages; programs get problem documents.
"""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from billing.api.dispatch import problem_response, request_id_of
from billing.api.problems import NO_SUCH_PATH, WRONG_METHOD, ProblemError


def tell_wrong_turns(public_url: str) -> Middleware:
    """Return what answers for the router where it finds nothing."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        missed = request.match_info.http_exception
        if missed is None or "text/html" in request.headers.get("Accept", ""):
            return await handler(request)
        error = ProblemError(NO_SUCH_PATH)
        if isinstance(missed, web.HTTPMethodNotAllowed):
            allowed = ", ".join(sorted(missed.allowed_methods))
            error = ProblemError(WRONG_METHOD, headers={"Allow": allowed})
        return problem_response(error, public_url, request_id_of(request))

    return answer
