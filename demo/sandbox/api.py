"""HTTP in, Stripe answers out: key, parameters, idempotency, expansion, errors."""

import base64
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler

from demo.sandbox.errors import APIError
from demo.sandbox.expand import expand
from demo.sandbox.form import parse_form
from demo.sandbox.ledger import Ledger
from demo.sandbox.operations import EXPAND, OPERATIONS, Call, Operation
from demo.sandbox.params import check_params
from demo.sandbox.shapes import API_VERSION
from demo.sandbox.store import Answer

_log = logging.getLogger("sandbox.api")

_KEY_CHARS = 255


class API:
    """The `/v1` operations; `on_change` is called after each that may have made events."""

    def __init__(
        self, ledger: Ledger, api_key: str, public_url: str, on_change: Callable[[], None]
    ) -> None:
        self._ledger = ledger
        self._api_key = api_key
        self._public_url = public_url
        self._on_change = on_change

    def routes(self) -> list[web.RouteDef]:
        """Return a route for each operation, and one for every other path below `/v1`."""
        known = [web.route(o.method, o.path, self._handler(o)) for o in OPERATIONS]
        return [*known, web.route("*", "/v1/{rest:.*}", self._unknown)]

    def _handler(self, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answer(request, operation)

        return handle

    async def _answer(self, request: web.Request, operation: Operation) -> web.Response:
        try:
            self._check_key(request.headers.get("Authorization", ""))
            text = request.query_string if request.method in {"GET", "DELETE"} else ""
            text = text or (await request.read()).decode()
            status, body, is_repeat = self._run(request, operation, text)
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
        self._on_change()
        answer = _respond(status, body)
        if is_repeat:
            answer.headers["Idempotent-Replayed"] = "true"
        return answer

    def _run(self, request: web.Request, operation: Operation, text: str) -> tuple[int, str, bool]:
        """Run the operation, or find what it answered to the same key before.

        The answer is kept in the operation's own transaction: after a kill either both
        are there or neither is.
        """
        key = request.headers.get("Idempotency-Key", "") if operation.method == "POST" else ""
        if len(key) > _KEY_CHARS or not key.isascii():
            raise APIError("Idempotency keys are at most 255 characters of ASCII.")
        pairs = parse_qsl(text, keep_blank_values=True)
        # Sorted, since it is the parameters that have to be the same and not their order.
        asked = json.dumps([request.method, request.path, sorted(pairs)])
        fingerprint = hashlib.sha256(asked.encode()).hexdigest()
        with self._ledger.store.transaction():
            kept = self._ledger.store.find_answer(key) if key else None
            if kept is not None:
                if kept.fingerprint != fingerprint:
                    raise APIError(
                        "Keys for idempotent requests can only be used with the same parameters "
                        f"they were first used with. Try using a key other than '{key}'.",
                        kind="idempotency_error",
                    )
                return kept.status, kept.body, True
            body = self._operate(request, operation, pairs)
            if key:
                self._ledger.store.keep_answer(key, Answer(fingerprint, 200, body))
        return 200, body, False

    def _operate(
        self, request: web.Request, operation: Operation, pairs: list[tuple[str, str]]
    ) -> str:
        params = check_params({**operation.spec, **EXPAND}, parse_form(pairs))
        call = Call(
            ledger=self._ledger,
            params=params,
            object_id=request.match_info.get("id", ""),
            public_url=self._public_url,
            path=request.path,
        )
        body = operation.run(call)
        return json.dumps(expand(self._ledger, body, params.get("expand", [])), indent=2)

    def _check_key(self, authorization: str) -> None:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            value = _basic_user(value)
        # Bytes that are no text come as lone surrogates (PEP 383).
        given = value.encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._api_key.encode()):
            raise APIError("Invalid API Key provided.", status=401)

    async def _unknown(self, request: web.Request) -> web.Response:
        message = f"Unrecognized request URL ({request.method}: {request.path})."
        return _refuse(APIError(message, status=404))


def _basic_user(value: str) -> str:
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except ValueError:
        return ""


def _refuse(error: APIError) -> web.Response:
    return _respond(error.status, json.dumps(error.to_body()))


def _respond(status: int, body: str) -> web.Response:
    headers = {"Request-Id": f"req_{secrets.token_hex(7)}", "Stripe-Version": API_VERSION}
    return web.Response(text=body, status=status, content_type="application/json", headers=headers)
