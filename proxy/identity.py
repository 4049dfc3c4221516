"""Who asks: a bearer token if there is one, else the session cookie of this host."""

from dataclasses import dataclass

from multidict import CIMultiDictProxy

from policies.identity import Anonymous, BadCredential, Client, Identity
from proxy.cookies import read_cookies
from proxy.ports import Clients, Sessions
from proxy.tokens import TokenVerifier

# More cookies of our name than this are somebody's experiment.
_MAX_SESSION_COOKIES = 4


@dataclass(frozen=True, slots=True)
class Identified:
    """`token_was_ours` asks that the Authorization field be hidden from the app."""

    identity: Identity
    token_was_ours: bool = False


_NOBODY = Identified(Anonymous())


class Identifier:
    """Identifies clients; a token that is wrong is never taken for no token."""

    def __init__(
        self, sessions: Sessions, clients: Clients, tokens: TokenVerifier, session_cookie: str
    ) -> None:
        self._sessions = sessions
        self._clients = clients
        self._tokens = tokens
        self._session_cookie = session_cookie

    def recall(self, headers: CIMultiDictProxy[str], host: str) -> Identified | None:
        """Return who asks if that is known without waiting, else None."""
        bearer = _bearer(headers)
        if isinstance(bearer, BadCredential):
            return Identified(bearer)
        if bearer is not None:
            verified = self._tokens.verify(bearer)
            if isinstance(verified, BadCredential):
                return Identified(verified)
            known = self._clients.recall(verified.external_id)
            return None if known is None else Identified(Client(known, "token"), True)
        cookies = read_cookies(headers, self._session_cookie)
        if not cookies:
            return _NOBODY
        found = self._sessions.recall(cookies[0], host)
        return None if found is None else Identified(Client(found, "session"))

    async def identify(self, headers: CIMultiDictProxy[str], host: str) -> Identified:
        """Return who asks.

        Raises:
            SessionsUnavailableError: it cannot be known just now.
        """
        bearer = _bearer(headers)
        if isinstance(bearer, BadCredential):
            return Identified(bearer)
        if bearer is not None:
            verified = self._tokens.verify(bearer)
            if isinstance(verified, BadCredential):
                return Identified(verified)
            client_id = await self._clients.get_client(verified.external_id)
            return Identified(Client(client_id, "token"), token_was_ours=True)
        cookies = read_cookies(headers, self._session_cookie)[:_MAX_SESSION_COOKIES]
        for cookie in cookies:
            found = await self._sessions.find_client(cookie, host)
            if found is not None:
                return Identified(Client(found, "session"))
        return Identified(Anonymous(session_ended=bool(cookies)))


def has_bearer(headers: CIMultiDictProxy[str]) -> bool:
    """Tell whether a bearer token came, good or bad."""
    return _bearer(headers) is not None


def _bearer(headers: CIMultiDictProxy[str]) -> str | BadCredential | None:
    """Return the bearer token; other schemes are the app's own business."""
    values = headers.getall("Authorization", ())
    bearers = [v for v in values if v[:7].lower() == "bearer "]
    if not bearers:
        return None
    if len(values) > 1:
        return BadCredential("more than one Authorization field")
    return bearers[0][7:].strip()
