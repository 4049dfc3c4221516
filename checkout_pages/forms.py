"""Proof that a form is ours, and what its fields may hold.

Two independent checks against forged posts (CSRF): the browser's word on where the form
was (Origin, Sec-Fetch-Site), and a token that only a page of this session could know.
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Mapping

from aiohttp import web

_NAME_CHARS = 60
_COUNT_CHARS = 6


def csrf_token(session_token: str, key: bytes) -> str:
    """Return the token that forms of the session carry."""
    return hmac.new(key, b"csrf\0" + session_token.encode(), hashlib.sha256).hexdigest()


def is_from_us(request: web.Request, public_url: str) -> bool:
    """Tell whether the browser says that the form was on one of our pages.

    A browser that says neither (none in use today) is left to the token.
    """
    origin = request.headers.get("Origin")
    if origin is not None:
        return origin == public_url
    return request.headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}


def has_csrf_token(given: str, session_token: str, key: bytes) -> bool:
    """Tell whether the form's token belongs to the session."""
    return hmac.compare_digest(given.encode(), csrf_token(session_token, key).encode())


def parse_name(text: str) -> str | None:
    """Return a visitor's name in its one normal form, or None if it is none."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    return name if 0 < len(name) <= _NAME_CHARS and name.isprintable() else None


def count_of(form: Mapping[str, str]) -> int:
    """Return how many a form asks for: one where it says nothing, 0 where it names no number."""
    text = form.get("quantity", "1")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _COUNT_CHARS else 0
