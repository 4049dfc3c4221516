"""The token of a call of the API, where RFC 6750, section 2.1, puts it. Pure."""

from collections.abc import Sequence
from typing import Final

from billing.errors import InvalidTokenError, NoTokenError

_BEARER: Final = "bearer"


def read_bearer(authorizations: Sequence[str]) -> str:
    """Return the token from all Authorization fields of a request.

    Raises:
        NoTokenError: there is none; a token in the URL or the body is not looked for.
        InvalidTokenError: there is more than one, of which two readers could each take another.
    """
    if not authorizations:
        raise NoTokenError("a token is needed: Authorization: Bearer …")
    if len(authorizations) > 1:
        raise InvalidTokenError("more than one Authorization field")
    scheme, _, token = authorizations[0].partition(" ")
    token = token.strip(" ")
    if scheme.lower() != _BEARER or not token:
        raise NoTokenError("a token is needed: Authorization: Bearer …")
    return token
