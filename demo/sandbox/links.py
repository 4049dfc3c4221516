"""Addresses that callers give, for browsers or events to be sent to."""

from urllib.parse import urlsplit

from demo.sandbox.errors import APIError


def page_url(url: str, name: str) -> str:
    """Return the address.

    Raises:
        APIError: it is none of http or https; `name` is the parameter.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isprintable():
        raise APIError(f"Not a valid URL: {name}", code="url_invalid", param=name)
    return url
