"""Who asks: a bearer token if there is one, else the session cookie of this host."""

from datetime import UTC, datetime

from multidict import CIMultiDictProxy

from policies.identity import Anonymous, BadCredential, Client, Identity
from proxy.canonical import parse_origin
from proxy.credential import Credential, read_credential
from proxy.ports import Clients, Sessions
from proxy.tokens import TokenVerifier, Verified
from proxy.wire.head import RequestHead

_NOBODY = Anonymous()


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

    def recall(self, credential: Credential, host: str) -> Identity | None:
        """Return who asks if that is known without waiting, else None."""
        bearer = credential.bearer
        if bearer is None:
            if not credential.cookies:
                return _NOBODY
            found = self._sessions.recall(credential.cookies[0], host)
            return None if found is None else Client(found, "session")
        if isinstance(bearer, BadCredential):
            return bearer
        last = credential.verified
        verified = last if last and self._tokens.holds(last) else self._verify(credential, bearer)
        if isinstance(verified, BadCredential):
            return verified
        known = self._clients.recall(verified.external_id, verified.issued_s)
        return None if known is None else Client(known, "token")

    def sessions_of(self, credential: Credential) -> tuple[str, ...]:
        """Return the names of the sessions that a credential rests on."""
        if credential.bearer is not None:
            return ()
        return tuple(self._sessions.name_of(cookie) for cookie in credential.cookies)

    def find_end(self, credential: Credential) -> datetime | None:
        """Return until when at most who asked is who he is; None if that is not known."""
        if credential.bearer is None:
            ends = [self._sessions.find_end(cookie) for cookie in credential.cookies]
            return min((end for end in ends if end is not None), default=None)
        last = credential.verified
        return None if last is None else datetime.fromtimestamp(last.until_s, UTC)

    async def identify(self, credential: Credential, host: str) -> Identity:
        """Return who asks.

        Raises:
            SessionsUnavailableError: it cannot be known just now.
        """
        bearer = credential.bearer
        if isinstance(bearer, BadCredential):
            return bearer
        if bearer is not None:
            verified = self._verify(credential, bearer)
            if isinstance(verified, BadCredential):
                return verified
            client_id = await self._clients.admit(verified.external_id, verified.issued_s)
            if client_id is None:
                return BadCredential(
                    "the client was closed, or signed out since the token was issued"
                )
            return Client(client_id, "token")
        for cookie in credential.cookies:
            found = await self._sessions.find_client(cookie, host)
            if found is not None:
                return Client(found, "session")
        return Anonymous(session_ended=bool(credential.cookies))

    def _verify(self, credential: Credential, bearer: str) -> Verified | BadCredential:
        found = self._tokens.verify(bearer)
        credential.verified = found if isinstance(found, Verified) else None
        return found


def is_foreign_websocket(head: RequestHead, identity: Identity, host: str) -> bool:
    """Tell whether a foreign page opens a WebSocket with its visitor's cookie.

    Browsers send cookies with it and ask for no permission first (cross-site WebSocket
    hijacking, RFC 6455 section 10.2).
    """
    if not head.wants_websocket:
        return False
    if not (isinstance(identity, Client) and identity.method == "session"):
        return False
    origin = head.headers.get("Origin")
    return origin is not None and parse_origin(origin) != host
