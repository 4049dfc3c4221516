"""Faults of the API on demand: the next calls are refused, cut, kept waiting, or left hanging."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from demo.sandbox.errors import APIError

_FAULT_LIMIT = 100


class Fault(BaseModel):
    """What befalls the next `count` calls whose path starts with `path`, with `method` if given.

    `error` and `limit` answer with 500 and 429; `slow` answers after `seconds`; `hang` is silent
    for `seconds` and then hangs up; `cut` hangs up in the middle of the body. With `when` after,
    the call is carried out first: its answer is what gets lost.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["error", "limit", "slow", "hang", "cut"]
    count: Annotated[int, Field(ge=1, le=10_000)] = 1
    seconds: Annotated[float, Field(ge=0, le=120)] = 0.0
    path: str = "/v"
    method: Literal["GET", "POST", "DELETE"] | None = None
    when: Literal["before", "after"] = "before"


class Faults:
    """The faults to come, in the order in which they were asked for; not kept over a restart."""

    def __init__(self) -> None:
        self._coming: deque[Fault] = deque()

    def add(self, text: str | bytes) -> None:
        """Add the fault that a JSON object describes.

        Raises:
            ValueError: it is none, or so many are waiting already that one more is a mistake.
        """
        if len(self._coming) >= _FAULT_LIMIT:
            raise ValueError(f"{_FAULT_LIMIT} faults are waiting already")
        try:
            self._coming.append(Fault.model_validate_json(text))
        except ValidationError as error:
            told = (f"{'.'.join(map(str, f['loc'])) or 'all'}: {f['msg']}" for f in error.errors())
            raise ValueError("; ".join(told)) from error

    def clear(self) -> None:
        """Forget what was still to come."""
        self._coming.clear()

    def coming(self) -> list[Fault]:
        """Return what is still to come."""
        return list(self._coming)

    async def meet(
        self, request: web.Request, answer: Callable[[], Awaitable[web.Response]]
    ) -> web.StreamResponse:
        """Answer the request, or let the next fault befall it.

        Raises:
            APIError: the fault is an answer with 500 or 429.
        """
        fault = self._take(request.method, request.path)
        if fault is None:
            return await answer()
        done = await answer() if fault.when == "after" else None
        if fault.kind == "error":
            raise APIError("An unknown error occurred.", status=500, kind="api_error")
        if fault.kind == "limit":
            raise APIError("Request rate limit exceeded.", status=429, code="rate_limit")
        await asyncio.sleep(fault.seconds)
        if fault.kind == "hang":
            return _hang_up(request, web.Response())
        if done is None:
            done = await answer()
        return await _cut(request, done) if fault.kind == "cut" else done

    def _take(self, method: str, path: str) -> Fault | None:
        for index, fault in enumerate(self._coming):
            if path.startswith(fault.path) and fault.method in {None, method}:
                if fault.count == 1:
                    del self._coming[index]
                else:
                    left = fault.model_copy(update={"count": fault.count - 1})
                    self._coming[index] = left
                return fault
        return None


async def _cut(request: web.Request, done: web.Response) -> web.StreamResponse:
    """Send the head and half of the body that it promises, and no more."""
    body = (done.text or "").encode()
    cut = web.StreamResponse(status=done.status, headers={"Content-Type": "application/json"})
    cut.content_length = len(body)
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2])
    return _hang_up(request, cut)


def _hang_up(request: web.Request, unsent: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return unsent
