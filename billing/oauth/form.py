"""A request for a token, as RFC 6749 writes it: read strictly, or refused in its words. Pure."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

_MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 20
# A credential's id has 36 characters, a secret 51.
_MAX_CHARS: Final = 200
_GRANT: Final = "client_credentials"
_BASIC: Final = "basic "


class Code(StrEnum):
    """What is wrong, in the words of RFC 6749, section 5.2."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_SCOPE = "invalid_scope"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"


@dataclass(frozen=True, slots=True)
class Refused:
    """No token; `why` is for whoever wrote the program, and tells nothing about credentials."""

    code: Code
    why: str


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Who asks, and for which scopes; None is all that the credential has."""

    credential_id: str
    secret: str = field(repr=False)
    scopes: frozenset[str] | None


def parse_token_request(
    content_type: str, authorizations: Sequence[str], body: bytes
) -> TokenRequest | Refused:
    """Return what is asked for (RFC 6749, sections 2.3.1, 3.2 and 4.4.2).

    `authorizations` are all of the request's Authorization fields.
    """
    parameters = _read_form(content_type, body)
    if isinstance(parameters, Refused):
        return parameters
    grant = parameters.get("grant_type")
    if grant is None:
        return Refused(Code.INVALID_REQUEST, "grant_type is missing")
    if grant != _GRANT:
        return Refused(Code.UNSUPPORTED_GRANT_TYPE, f"the one grant_type here is {_GRANT}")
    found = _authenticating(authorizations, parameters)
    if isinstance(found, Refused):
        return found
    scope = parameters.get("scope")
    scopes = None if scope is None else frozenset(scope.split(" "))
    if scopes is not None and "" in scopes:
        return Refused(Code.INVALID_SCOPE, "scope is a list with one blank between two")
    return TokenRequest(*found, scopes)


def _read_form(content_type: str, body: bytes) -> dict[str, str] | Refused:
    if content_type.partition(";")[0].strip().lower() != _MEDIA_TYPE:
        return Refused(Code.INVALID_REQUEST, f"the body has to be {_MEDIA_TYPE}")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        return Refused(Code.INVALID_REQUEST, "the body is no form")
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        # Two readers may each believe another one of them.
        return Refused(Code.INVALID_REQUEST, "a parameter came twice")
    # A parameter without a value counts as left out (section 3.2).
    return {name: value for name, value in pairs if value}


def _authenticating(
    authorizations: Sequence[str], parameters: dict[str, str]
) -> tuple[str, str] | Refused:
    """Return id and secret, which came in one of two ways, not in both."""
    id_, secret = parameters.get("client_id"), parameters.get("client_secret")
    if not authorizations:
        if id_ is None or secret is None:
            return Refused(Code.INVALID_CLIENT, "client_id and client_secret are needed")
        return _bounded(id_, secret)
    if len(authorizations) > 1:
        return Refused(Code.INVALID_REQUEST, "more than one Authorization field")
    if secret is not None:
        return Refused(Code.INVALID_REQUEST, "a secret both in Authorization and in the body")
    found = _read_basic(authorizations[0])
    if isinstance(found, Refused):
        return found
    if id_ not in {None, found[0]}:
        return Refused(Code.INVALID_REQUEST, "client_id in the body is another one")
    return _bounded(*found)


def _read_basic(authorization: str) -> tuple[str, str] | Refused:
    """Return id and secret, which are form-encoded before they become Basic (section 2.3.1)."""
    if authorization[: len(_BASIC)].lower() != _BASIC:
        return Refused(Code.INVALID_CLIENT, "the Authorization field has to be Basic")
    try:
        text = base64.b64decode(authorization[len(_BASIC) :].strip(), validate=True).decode()
        id_, colon, secret = text.partition(":")
        if colon:
            return unquote_plus(id_, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError):
        pass  # Told below, like a text without a colon.
    return Refused(Code.INVALID_CLIENT, "the Authorization field cannot be read")


def _bounded(id_: str, secret: str) -> tuple[str, str] | Refused:
    if not id_ or not secret or max(len(id_), len(secret)) > _MAX_CHARS:
        return Refused(Code.INVALID_CLIENT, "no such credential, or another secret")
    return id_, secret
