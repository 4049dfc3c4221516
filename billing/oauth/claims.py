"""What stands in a token of ours (RFC 9068), and what may be believed of any token. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from billing.oauth.rotation import LEEWAY
from policies.permission import SCOPES, Role

TYPE: Final = "at+jwt"
OPERATOR: Final = "operator"
"""Stands for a credential in tokens that an operator made without one."""
_MAX_NAME_CHARS: Final = 200
_FAR_S: Final = 1e11  # Beyond the year 5000.

Claims = Mapping[str, Any]  # any JSON, until it is read


class UnbelievableError(ValueError):
    """A claim is not what it has to be; the message names it and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a new token shall say; `name` is for readers of logs."""

    subject: str
    credential_id: str
    name: str
    role: Role
    app_id: str | None
    client_id: str | None
    scopes: frozenset[str]
    lives: timedelta


def claims_of(terms: Terms, issuer: str, token_id: str, now: datetime) -> dict[str, Any]:
    """Return the claims of RFC 9068, section 2.2, and our own: role, app, client.

    `client_id` there is the credential: in OAuth's words the program is the client.
    """
    issued_s = int(now.timestamp())
    claims = {
        "iss": issuer,
        "aud": issuer,
        "sub": terms.subject,
        "client_id": terms.credential_id,
        "iat": issued_s,
        "exp": issued_s + int(terms.lives.total_seconds()),
        "jti": token_id,
        "name": terms.name,
        "scope": " ".join(sorted(terms.scopes)),
        "role": terms.role.value,
        "app": terms.app_id,
        "client": terms.client_id,
    }
    return {name: value for name, value in claims.items() if value is not None}


def check_times(claims: Claims, now: datetime) -> float:
    """Return when the token ends, in seconds since 1970.

    Raises:
        UnbelievableError: it has ended, has not begun, or does not say when it ends.
    """
    now_s, leeway_s = now.timestamp(), LEEWAY.total_seconds()
    until_s = _seconds(claims, "exp")
    if until_s is None:
        raise UnbelievableError("it has no exp")
    if until_s + leeway_s <= now_s:
        raise UnbelievableError("it has expired")
    for name in ("nbf", "iat"):
        from_s = _seconds(claims, name)
        if from_s is not None and from_s - leeway_s > now_s:
            raise UnbelievableError("it is not valid yet")
    return until_s


def issued_in(claims: Claims) -> float:
    """Return when the token was issued, in seconds since 1970; 0 if it does not say.

    Raises:
        UnbelievableError: what stands there is no instant.
    """
    return _seconds(claims, "iat") or 0.0


def role_in(claims: Claims, name: str) -> Role:
    """Return the role that stands under this name.

    Raises:
        UnbelievableError: none of ours does.
    """
    try:
        return Role(text_in(claims, name))
    except ValueError as error:
        raise UnbelievableError(f"{name} is no role") from error


def text_in(claims: Claims, name: str) -> str:
    """Return a short text that can be printed.

    Raises:
        UnbelievableError: it is missing, or is something else.
    """
    value = claims.get(name)
    is_text = isinstance(value, str) and 0 < len(value) <= _MAX_NAME_CHARS and value.isprintable()
    if not is_text:
        raise UnbelievableError(f"{name} is missing, or no name")
    return str(value)


def scopes_in(claims: Claims) -> frozenset[str]:
    """Return those scopes of ours that the token names; other issuers have others besides."""
    scope = claims.get("scope", "")
    names: Collection[Any] = scope.split(" ") if isinstance(scope, str) else ()
    return SCOPES.intersection(names)


def _seconds(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    # So written, it refuses NaN as well, and whole numbers too long for a float.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -_FAR_S <= value <= _FAR_S:
        raise UnbelievableError(f"{name} is no instant")
    return float(value)
