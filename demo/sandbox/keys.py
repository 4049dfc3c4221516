"""The API key, as bearer token or as user of Basic authentication."""

import base64
import hmac

from demo.sandbox.errors import APIError


def check_key(authorization: str, api_key: str) -> None:
    """Check the `Authorization` field.

    Raises:
        APIError: it does not carry the key; 401.
    """
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        value = _basic_user(value)
    # Bytes that are no text come as lone surrogates (PEP 383).
    given = value.encode(errors="surrogateescape")
    if not hmac.compare_digest(given, api_key.encode()):
        raise APIError("Invalid API Key provided.", status=401)


def _basic_user(value: str) -> str:
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except ValueError:
        return ""
