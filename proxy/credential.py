"""What a request shows of who sends it, before anybody is asked."""

from dataclasses import dataclass

from multidict import CIMultiDictProxy

from policies.identity import BadCredential
from proxy.cookies import read_cookies

# More cookies of our name than this are somebody's experiment.
_MAX_SESSION_COOKIES = 4


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, good or not, or the session cookies; neither is an anonymous visitor."""

    bearer: str | BadCredential | None = None
    cookies: tuple[str, ...] = ()


def read_credential(headers: CIMultiDictProxy[str], session_cookie: str) -> Credential:
    """Return what came; schemes other than Bearer are the app's own business."""
    values = headers.getall("Authorization", ())
    bearers = [v for v in values if v[:7].lower() == "bearer "]
    if bearers:
        if len(values) > 1:
            return Credential(BadCredential("more than one Authorization field"))
        return Credential(bearers[0][7:].strip())
    cookies = read_cookies(headers, session_cookie)
    return Credential(cookies=tuple(cookies[:_MAX_SESSION_COOKIES]))
