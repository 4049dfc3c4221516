"""Stands before every call of the API: who is it, may it, and a record of every no."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog
from aiohttp import web

from billing.errors import (
    AccessError,
    InvalidTokenError,
    NoTokenError,
    NotPermittedError,
    NotYoursError,
    UnavailableError,
)
from billing.model import Cause, Source
from billing.oauth.bearer import read_bearer
from billing.oauth.denials import CountedDenials
from billing.oauth.limiter import Limiter, Rate
from billing.oauth.verify import TokenReader
from billing.ports import Clock
from billing.storage.audit import write_audit
from billing.storage.callers import belongs_to_app
from billing.storage.ids import parse_id
from billing.storage.pool import Database
from policies.permission import (
    Caller,
    Denied,
    Permitted,
    Refusal,
    Role,
    Target,
    may,
    scope_of,
)

_log = structlog.get_logger("billing.oauth")

_ACTION = "access.denied"
_NOBODY = Cause(Source.ADMIN, "anonymous")
_MANY = Cause(Source.ADMIN, "several")
# A row for each denial, up to this many for one caller; what comes more often is only counted.
_RECORDED: Final = Rate(60, 3600.0)


class Guard:
    """Lets callers through or raises; a denial that cannot be recorded is a denial all the same."""

    def __init__(
        self,
        database: Database,
        reader: TokenReader,
        clock: Clock,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._database = database
        self._reader = reader
        self._clock = clock
        self._recorded = Limiter(_RECORDED, monotonic_s)
        self._anonymous = CountedDenials()
        self._repeated = CountedDenials()

    async def authenticate(self, request: web.Request) -> Caller:
        """Return who calls.

        Raises:
            NoTokenError: no token came along.
            InvalidTokenError: the one that came is not good.
            UnavailableError: whether it is good cannot be told now.
        """
        try:
            token = read_bearer(request.headers.getall("Authorization", ()))
            return await self._reader.identify(token)
        except (NoTokenError, InvalidTokenError) as error:
            _log.info("access_denied", why=str(error), method=request.method)
            self._anonymous.note(_asked_of(request, error), self._clock())
            await self.write_tally()
            raise

    async def permit(
        self,
        caller: Caller,
        action: str,
        *,
        client_id: str | None = None,
        app_id: str | None = None,
        request_id: str | None = None,
    ) -> None:
        """Return if the caller may do it to the client, in the app.

        An app without either has to be answered with what is its own only. Call it before
        the client or the thing is looked up: what is not the caller's and what is not there
        are one and the same to it.

        Raises:
            NotPermittedError: it may not; the message tells why. 403.
            NotYoursError: it may not, and whether there is such a thing is not told. 404.
            UnavailableError: whether it may cannot be told now.
        """
        is_of_app = False
        if caller.role is Role.APP and caller.app_id is not None and client_id is not None:
            async with self._database.connection() as connection:
                is_of_app = await belongs_to_app(connection, client_id, caller.app_id)
        verdict = may(caller, action, Target(client_id, app_id, is_of_app))
        if isinstance(verdict, Permitted):
            return
        _log.info("access_denied", actor=caller.actor, action=action, why=verdict.reason.value)
        # What is no id of ours is a caller's own text, and says nothing of any client.
        asked_id = client_id if client_id is not None and parse_id(client_id) else None
        told = {
            "action": action,
            "reason": verdict.reason.value,
            "role": caller.role.value,
            "app_id": app_id,
            "token_id": caller.token_id,
        }
        if self._recorded.take(caller.actor):
            what = f"{caller.actor} {action} {verdict.reason.value}"
            self._repeated.note(what, self._clock())
            await self.write_tally()
        else:
            cause = Cause(Source.ADMIN, caller.actor, request_id=request_id)
            await self._write(cause, asked_id, told)
        raise _error_of(verdict, action)

    async def write_tally(self, *, whole: bool = False) -> None:
        """Write what was counted in the minute past; `whole` at the end, also in this one."""
        await self._write_counted(self._anonymous, _NOBODY, whole=whole)
        await self._write_counted(self._repeated, _MANY, whole=whole)

    async def _write_counted(self, denials: CountedDenials, cause: Cause, *, whole: bool) -> None:
        tally = denials.take_due(self._clock(), whole=whole)
        if tally is None:
            return
        told = {
            "from_at": tally.from_at.isoformat(),
            "until_at": tally.until_at.isoformat(),
            "counts": dict(tally.counts),
        }
        try:
            await self._write(cause, None, told)
        except UnavailableError as error:
            _log.warning("denials_not_recorded", why=str(error))
            denials.put_back(tally)

    async def _write(self, cause: Cause, client_id: str | None, told: Mapping[str, object]) -> None:
        async with self._database.transaction() as connection:
            await write_audit(connection, _ACTION, client_id, cause, after=told)


def _asked_of(request: web.Request, error: AccessError) -> str:
    """Return what was asked as one of a few texts: the route's pattern, never the path."""
    resource = request.match_info.route.resource
    asked = "unknown" if resource is None else f"{request.method} {resource.canonical}"
    why = "no_token" if isinstance(error, NoTokenError) else "invalid_token"
    return f"{why} {asked}"


def _error_of(denied: Denied, action: str) -> AccessError:
    if denied.is_hidden:
        return NotYoursError("there is no such thing, or it is not yours")
    match denied.reason:
        case Refusal.SCOPE:
            scope = scope_of(action)
            return NotPermittedError(f"the token lacks the scope {scope}", scope)
        case Refusal.ROLE:
            return NotPermittedError("this is not for callers of your role")
        case Refusal.NOT_ITSELF:
            return NotPermittedError("a client has to name itself")
    return NotPermittedError("this is not known here")
