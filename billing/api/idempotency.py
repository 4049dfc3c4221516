"""Idempotency-Key: a request that is sent again is answered again, and not carried out again.

Only what came to something is kept. Errors change nothing, so that their key is free for
the same request; and what a provider was asked for goes by a key made of this one
(`Call.command_key`), so that a request whose answer was lost on the way is not lost either.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from billing.api.call import Call
from billing.api.operation import Operation
from billing.api.problems import KEY_REUSED, REQUEST_UNDER_WAY, ProblemError
from billing.errors import UnavailableError
from billing.oauth.ports import Sealer
from billing.ports import Clock
from billing.storage.idempotent_requests import claim_request, keep_answer, release_request
from billing.storage.pool import Database

_log = structlog.get_logger("billing.api")

_RETRY_AFTER_S = "2"


@dataclass(frozen=True, slots=True)
class Written:
    """An answer as it is sent: the JSON text, and where what was made or what follows is.

    `client_id` is whom it tells of, None where of nobody in particular.
    """

    text: str
    location: str | None = None
    next_url: str | None = None
    is_replayed: bool = False
    client_id: str | None = None


class Repeats:
    """Carries requests with a key out once."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock

    async def once(
        self, operation: Operation, call: Call, act: Callable[[], Awaitable[Written]]
    ) -> Written:
        """Return what `act` comes to, or what it came to when the request was first made.

        Raises:
            ProblemError: the key belongs to another request, or the first is under way.
            UnavailableError: the database does not answer.
        """
        if call.key is None or not operation.is_keyed:
            return await act()
        caller, key, now = call.caller.actor, call.key, self._clock()
        fingerprint = _fingerprint_of(operation, call)
        async with self._database.transaction() as connection:
            known = await claim_request(connection, caller, key, fingerprint, now)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise ProblemError(KEY_REUSED)
            if known.answer is None:
                raise ProblemError(REQUEST_UNDER_WAY, headers={"Retry-After": _RETRY_AFTER_S})
            return self._opened(known.answer, caller, key)
        async with self._released_on_error(caller, key, now):
            written = await act()
        await self._keep(written, caller, key, now)
        return written

    @asynccontextmanager
    async def _released_on_error(self, caller: str, key: str, now: datetime) -> AsyncIterator[None]:
        try:
            yield
        except Exception:
            try:
                async with self._database.transaction() as connection:
                    await release_request(connection, caller, key, now)
            except UnavailableError as error:
                # Then the lease ends by itself.
                _log.warning("key_not_released", why=str(error))
            raise

    async def _keep(self, written: Written, caller: str, key: str, now: datetime) -> None:
        text = json.dumps([written.text, written.location]).encode()
        sealed = self._sealer.seal(text, _place_of(caller, key))
        try:
            async with self._database.transaction() as connection:
                await keep_answer(connection, caller, key, now, sealed, written.client_id)
        except UnavailableError as error:
            # What was done is done: the caller shall hear of it.
            _log.warning("answer_not_kept", why=str(error))

    def _opened(self, sealed: bytes, caller: str, key: str) -> Written:
        text, location = json.loads(self._sealer.open(sealed, _place_of(caller, key)))
        return Written(text, location, is_replayed=True)


def _fingerprint_of(operation: Operation, call: Call) -> bytes:
    # What was read, not what was sent: another order of the fields is the same request.
    body = call.body.model_dump_json(exclude_unset=True) if call.body is not None else ""
    wish = [operation.id, sorted(call.path.items()), json.loads(body or "null")]
    return hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).digest()


def _place_of(caller: str, key: str) -> str:
    return f"idempotent_requests.answer_enc.{caller}/{key}"
