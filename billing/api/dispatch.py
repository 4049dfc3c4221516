"""The way of every call: who calls, what does it say, may it, then carry it out and answer.

`_carry_out` shows all of it. What goes wrong on the way becomes a problem document in
`respond`, and nowhere else.
"""

import re
import uuid
from collections.abc import Awaitable, Mapping
from typing import Final

import structlog
from aiohttp import web

from billing.api.call import Binding, Call
from billing.api.errors import problem_of
from billing.api.idempotency import Repeats, Written
from billing.api.models.problem import ProblemDocument
from billing.api.models.shapes import Input, Page, Query
from billing.api.operation import Operation
from billing.api.operations import OPERATIONS
from billing.api.path import is_path_value
from billing.api.ports import Door
from billing.api.problems import BODY_TOO_LARGE, NO_SUCH_THING, ProblemError
from billing.api.reading import check_accept, check_form, read_body, read_key, read_query
from billing.errors import BillingError

_log = structlog.get_logger("billing.api")

BODY_LIMIT_BYTES: Final = 64 * 1024
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
# What the gateway's proxy makes; whatever else comes under the name is not repeated.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Api:
    """The table's routes. `public_url` has no slash at its end."""

    def __init__(
        self, door: Door, repeats: Repeats, bindings: Mapping[str, Binding], public_url: str
    ) -> None:
        missing = {operation.id for operation in OPERATIONS} ^ bindings.keys()
        if missing:
            raise ValueError(f"operations and what carries them out differ: {sorted(missing)}")
        self._door = door
        self._repeats = repeats
        self._bindings = bindings
        self._public_url = public_url

    def routes(self) -> list[web.RouteDef]:
        """Return a route for each line of the table."""
        return [self._route(operation) for operation in OPERATIONS]

    def _route(self, operation: Operation) -> web.RouteDef:
        async def answer(request: web.Request) -> web.Response:
            return await self.respond(operation, request)

        if operation.method == "GET":
            return web.get(operation.path, answer)  # and HEAD
        return web.route(operation.method, operation.path, answer)

    async def respond(self, operation: Operation, request: web.Request) -> web.Response:
        """Answer the call; an error that nobody foresaw is the application's to tell."""
        request_id = request_id_of(request)
        try:
            written = await self._carry_out(operation, request, request_id)
        except ProblemError as error:
            return problem_response(error, self._public_url, request_id)
        except BillingError as error:
            told = problem_of(error)
            if told is None:
                raise
            _log.info("api_refused", operation=operation.id, why=str(error), request_id=request_id)
            return problem_response(told, self._public_url, request_id)
        headers = dict(_HEADERS)
        if written.location is not None:
            headers["Location"] = f"{self._public_url}{written.location}"
        if written.next_url is not None:
            headers["Link"] = f'<{written.next_url}>; rel="next"'
        if written.is_replayed:
            headers["Idempotent-Replayed"] = "true"
        return web.Response(
            text=written.text, status=operation.status, headers=headers, content_type=_JSON
        )

    async def _carry_out(
        self, operation: Operation, request: web.Request, request_id: str
    ) -> Written:
        check_accept(request.headers.getall("Accept", ()))
        caller = await self._door.authenticate(request)
        call = Call(
            caller=caller,
            path=_path_of(request),
            query=read_query(operation.query or Query, request.rel_url.raw_query_string),
            body=await _body_of(operation, request),
            key=read_key(request.headers.getall("Idempotency-Key", ()))
            if operation.is_keyed
            else None,
            request_id=request_id,
        )
        binding = self._bindings[operation.id]
        aim = await binding.aim(call)
        if operation.action is not None:
            await self._door.permit(
                caller,
                operation.action,
                client_id=aim.client_id,
                app_id=aim.app_id,
                request_id=request_id,
            )

        async def act() -> Written:
            answer = await binding.act(call)
            content = answer.content
            next_url = content.next if isinstance(content, Page) else None
            client_id = answer.client_id or aim.client_id
            return Written(
                content.model_dump_json(), answer.location, next_url, client_id=client_id
            )

        return await self._repeats.once(operation, call, act)


async def or_problem(
    request: web.Request, public_url: str, answer: Awaitable[web.Response]
) -> web.Response:
    """Return the answer, or the problem that came up: for what is beside the table."""
    request_id = request_id_of(request)
    try:
        return await answer
    except ProblemError as error:
        return problem_response(error, public_url, request_id)
    except BillingError as error:
        told = problem_of(error)
        if told is None:
            raise
        return problem_response(told, public_url, request_id)


def request_id_of(request: web.Request) -> str:
    """Return the id that the gateway gave the request, or a new one where it came another way."""
    text = request.headers.get("X-Request-Id", "")
    return text if _REQUEST_ID.fullmatch(text) else uuid.uuid4().hex


def problem_response(error: ProblemError, public_url: str, request_id: str) -> web.Response:
    """Return the problem document that tells of the error."""
    document = ProblemDocument(
        type=f"{public_url}/problems/{error.problem.name}",
        title=error.problem.title,
        status=error.problem.status,
        detail=error.detail,
        request_id=request_id,
        errors=list(error.errors) or None,
        url=error.url,
        subscription_id=error.subscription_id,
    )
    return web.Response(
        text=document.model_dump_json(exclude_none=True),
        status=error.problem.status,
        headers=_HEADERS | dict(error.headers),
        content_type=_PROBLEM,
    )


def _path_of(request: web.Request) -> Mapping[str, str]:
    """Return the values in the path."""
    values = dict(request.match_info)
    if not all(is_path_value(name, text) for name, text in values.items()):
        raise ProblemError(NO_SUCH_THING)
    return values


async def _body_of(operation: Operation, request: web.Request) -> Input | None:
    if operation.body is None:
        return None
    check_form(request.headers.get("Content-Type", ""), request.headers.get("Content-Encoding", ""))
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise ProblemError(BODY_TOO_LARGE) from None
    if len(body) > BODY_LIMIT_BYTES:
        raise ProblemError(BODY_TOO_LARGE)
    return read_body(operation.body, body)
