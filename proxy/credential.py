"""What a request shows of who sends it, and what has come of that so far."""

from multidict import CIMultiDictProxy

from policies.identity import BadCredential
from proxy.cookies import read_cookies
from proxy.tokens import Verified

# More cookies of our name than this are somebody's experiment.
_MAX_SESSION_COOKIES = 4
# Some read a token behind a tab too, and what they would read no app may see.
_BEARER = frozenset({"bearer ", "bearer\t"})


class Credential:
    """A bearer token, good or not, or session cookies; neither is an anonymous visitor.

    `verified` is what the token was found to be the last time.
    """

    __slots__ = ("bearer", "cookies", "verified")

    def __init__(
        self, bearer: str | BadCredential | None = None, cookies: tuple[str, ...] = ()
    ) -> None:
        self.bearer = bearer
        self.cookies = cookies
        self.verified: Verified | None = None


def read_credential(headers: CIMultiDictProxy[str], session_cookie: str) -> Credential:
    """Return what came; schemes other than Bearer are the app's own business."""
    values = headers.getall("Authorization", ())
    bearers = [v for v in values if v[:7].lower() in _BEARER]
    if bearers:
        if len(values) > 1:
            return Credential(BadCredential("more than one Authorization field"))
        return Credential(bearers[0][7:].strip())
    cookies = read_cookies(headers, session_cookie)
    return Credential(cookies=tuple(cookies[:_MAX_SESSION_COOKIES]))
