"""HTTP in, Stripe answers out: key, parameters, idempotency, expansion, errors."""

import hashlib
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler

from demo.sandbox.due import settle_due
from demo.sandbox.errors import APIError
from demo.sandbox.expand import expand
from demo.sandbox.faults import Faults
from demo.sandbox.form import flatten, parse_form
from demo.sandbox.keys import check_key
from demo.sandbox.ledger import Ledger
from demo.sandbox.operations.call import EXPAND, Call, Operation
from demo.sandbox.operations.table import OPERATIONS
from demo.sandbox.params import check_params, integer
from demo.sandbox.shapes import API_VERSION
from demo.sandbox.store import Answer

_log = logging.getLogger("sandbox.api")

_KEY_CHARS = 255
# Of the wall clock; Stripe prunes keys once they are at least that old.
_KEPT_FOR_S = 24 * 3600


class API:
    """The operations of the table, and the clock that the tests move.

    `on_change` is called after each that may have made events, and `on_moved` when the clock
    was moved and all that fell due has happened.
    """

    def __init__(
        self,
        ledger: Ledger,
        api_key: str,
        public_url: str,
        faults: Faults,
        *,
        on_change: Callable[[], None],
        on_moved: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._api_key = api_key
        self._public_url = public_url
        self._on_change = on_change
        self._on_moved = on_moved
        self._faults = faults
        self._keys_in_use: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """Return a route for each operation, and one for every other path of the API."""
        known = [web.route(o.method, o.path, self._handler(o)) for o in OPERATIONS]
        return [
            *known,
            web.get("/_sandbox/clock", self._show_clock),
            web.post("/_sandbox/clock", self._move_clock),
            *(web.route("*", f"/{v}/{{rest:.*}}", self._unknown) for v in ("v1", "v2")),
        ]

    async def _show_clock(self, request: web.Request) -> web.StreamResponse:
        return await self._guard(request, self._tell_clock)

    async def _move_clock(self, request: web.Request) -> web.StreamResponse:
        """Move the sandbox forward by `advance_s`, and let everything happen that falls due."""
        return await self._guard(request, self._advance)

    async def _advance(self, request: web.Request) -> web.Response:
        params = check_params({"advance_s": integer}, parse_form(await _pairs_of(request)))
        try:
            self._ledger.clock.advance(params.get("advance_s", 0))
        except ValueError as error:
            raise APIError(f"advance_s: {error}", param="advance_s") from error
        try:
            await settle_due(self._ledger)
        finally:
            self._on_moved()
        self._on_change()
        return await self._tell_clock(request)

    async def _tell_clock(self, _request: web.Request) -> web.Response:
        clock = self._ledger.clock
        return _respond(200, json.dumps({"now": clock.now_s(), "offset_s": clock.offset_s()}))

    def _handler(self, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answer(request, operation)

        return handle

    async def _answer(self, request: web.Request, operation: Operation) -> web.StreamResponse:
        async def answer(request: web.Request) -> web.StreamResponse:
            pairs = await _pairs_of(request)
            key = _idempotency_key(request)
            with self._using(key):
                return await self._faults.meet(
                    request, lambda: self._carry_out(request, operation, pairs, key)
                )

        return await self._guard(request, answer)

    async def _carry_out(
        self, request: web.Request, operation: Operation, pairs: list[tuple[str, str]], key: str
    ) -> web.Response:
        # What fell due before this call happens before it, however time was moved.
        await settle_due(self._ledger)
        status, body, is_repeat = self._run(request, operation, pairs, key)
        self._on_change()
        answer = _respond(status, body)
        if is_repeat:
            answer.headers["Idempotent-Replayed"] = "true"
        return answer

    @contextmanager
    def _using(self, key: str) -> Iterator[None]:
        """Keep others from using the key until the call is answered."""
        if key and key in self._keys_in_use:
            raise APIError(
                "There is currently another in-progress request using this Idempotent Key.",
                status=409,
                code="idempotency_key_in_use",
                kind="idempotency_error",
            )
        self._keys_in_use.add(key)
        try:
            yield
        finally:
            self._keys_in_use.discard(key)

    async def _guard(
        self,
        request: web.Request,
        answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Answer who has the key; whatever goes wrong is told in Stripe's shape."""
        try:
            check_key(request.headers.get("Authorization", ""), self._api_key)
            return await answer(request)
        except UnicodeDecodeError:
            return _refuse(APIError("The body is not UTF-8."))
        except web.HTTPRequestEntityTooLarge:
            return _refuse(APIError("The body is too large.", status=413))
        except APIError as error:
            return _refuse(error)
        except Exception:  # noqa: BLE001 - the top of a request: logged, and told in JSON
            # The transaction is rolled back; the SDK on the other side reads JSON only.
            _log.exception("%s %s", request.method, request.path)
            return _refuse(APIError("The sandbox is at fault.", status=500, kind="api_error"))

    def _run(
        self, request: web.Request, operation: Operation, pairs: list[tuple[str, str]], key: str
    ) -> tuple[int, str, bool]:
        """Run the operation, or find what it answered to the same key before.

        The answer is kept in the operation's own transaction: after a kill either both
        are there or neither is. A refusal is kept as well, unless it is one of a parameter:
        then nothing was begun (Stripe, "Idempotent requests").
        """
        store, now_s = self._ledger.store, self._ledger.clock.wall_now_s()
        # Sorted, since it is the parameters that have to be the same and not their order.
        asked = json.dumps([request.method, request.path, sorted(pairs)])
        fingerprint = hashlib.sha256(asked.encode()).hexdigest()
        if key:
            store.forget_answers(now_s - _KEPT_FOR_S)
            kept = store.find_answer(key)
            if kept is not None:
                return *_repeat(kept, key, fingerprint), True
        try:
            with store.transaction():
                status, body = self._operate(request, operation, pairs)
                if key:
                    store.keep_answer(key, Answer(fingerprint, status, body), now_s)
        except APIError as error:
            if key and error.param is None:
                told = json.dumps(error.to_body())
                store.keep_answer(key, Answer(fingerprint, error.status, told), now_s)
            raise
        return status, body, False

    def _operate(
        self, request: web.Request, operation: Operation, pairs: list[tuple[str, str]]
    ) -> tuple[int, str]:
        params = check_params({**operation.spec, **EXPAND}, parse_form(pairs))
        call = Call(
            ledger=self._ledger,
            params=params,
            object_id=request.match_info.get("id", ""),
            public_url=self._public_url,
            path=request.path,
        )
        try:
            body = operation.run(call)
        except APIError as error:
            if not error.is_kept:
                raise
            return error.status, json.dumps(error.to_body())
        return 200, json.dumps(expand(self._ledger, body, params.get("expand", [])), indent=2)

    async def _unknown(self, request: web.Request) -> web.Response:
        message = f"Unrecognized request URL ({request.method}: {request.path})."
        return _refuse(APIError(message, status=404))


async def _pairs_of(request: web.Request) -> list[tuple[str, str]]:
    """Return the parameters: those of the query, of a form, or of a JSON object."""
    text = request.query_string if request.method in {"GET", "DELETE"} else ""
    text = text or (await request.read()).decode()
    if request.content_type == "application/json":
        return flatten(text)
    return parse_qsl(text, keep_blank_values=True)


def _idempotency_key(request: web.Request) -> str:
    key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
    if len(key) > _KEY_CHARS or not key.isascii():
        raise APIError("Idempotency keys are at most 255 characters of ASCII.")
    return key


def _repeat(kept: Answer, key: str, fingerprint: str) -> tuple[int, str]:
    if kept.fingerprint != fingerprint:
        raise APIError(
            "Keys for idempotent requests can only be used with the same parameters "
            f"they were first used with. Try using a key other than '{key}'.",
            kind="idempotency_error",
        )
    return kept.status, kept.body


def _refuse(error: APIError) -> web.Response:
    return _respond(error.status, json.dumps(error.to_body()))


def _respond(status: int, body: str) -> web.Response:
    headers = {"Request-Id": f"req_{secrets.token_hex(7)}", "Stripe-Version": API_VERSION}
    return web.Response(text=body, status=status, content_type="application/json", headers=headers)
