"""Who asks: a bearer token if there is one, else the session cookie of this host."""

from dataclasses import dataclass

from multidict import CIMultiDictProxy

from policies.identity import Anonymous, BadCredential, Client, Identity
from proxy.credential import Credential, read_credential
from proxy.ports import Clients, Sessions
from proxy.tokens import TokenVerifier, Verified


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

    def read(self, headers: CIMultiDictProxy[str]) -> Credential:
        """Return what a request shows of who sends it."""
        return read_credential(headers, self._session_cookie)

    def recall(self, credential: Credential, host: str) -> Identified | None:
        """Return who asks if that is known without waiting, else None."""
        bearer = credential.bearer
        if bearer is None:
            if not credential.cookies:
                return _NOBODY
            found = self._sessions.recall(credential.cookies[0], host)
            return None if found is None else Identified(Client(found, "session"))
        if isinstance(bearer, BadCredential):
            return Identified(bearer)
        verified = self._verify(credential, bearer)
        if isinstance(verified, BadCredential):
            return Identified(verified)
        known = self._clients.recall(verified.external_id)
        return None if known is None else Identified(Client(known, "token"), token_was_ours=True)

    async def identify(self, credential: Credential, host: str) -> Identified:
        """Return who asks.

        Raises:
            SessionsUnavailableError: it cannot be known just now.
        """
        bearer = credential.bearer
        if isinstance(bearer, BadCredential):
            return Identified(bearer)
        if bearer is not None:
            verified = self._verify(credential, bearer)
            if isinstance(verified, BadCredential):
                return Identified(verified)
            client_id = await self._clients.get_client(verified.external_id)
            return Identified(Client(client_id, "token"), token_was_ours=True)
        for cookie in credential.cookies:
            found = await self._sessions.find_client(cookie, host)
            if found is not None:
                return Identified(Client(found, "session"))
        return Identified(Anonymous(session_ended=bool(credential.cookies)))

    def _verify(self, credential: Credential, bearer: str) -> Verified | BadCredential:
        last = credential.verified
        if last is not None and self._tokens.holds(last):
            return last
        found = self._tokens.verify(bearer)
        credential.verified = found if isinstance(found, Verified) else None
        return found
