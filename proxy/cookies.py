"""Cookies of a request, read without a library that would refuse or repair any."""

from collections.abc import Iterator

from multidict import CIMultiDictProxy


def read_cookies(headers: CIMultiDictProxy[str], name: str) -> list[str]:
    """Return the values of every cookie of the name; a parent domain may have set a twin."""
    return [
        value for line in headers.getall("Cookie", ()) for key, value in _pairs(line) if key == name
    ]


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    for part in line.split(";"):
        key, mark, value = part.partition("=")
        if mark:
            # Blanks and tabs alone: `strip` by itself takes any space of Unicode, and an app could
            # set a cookie of our name that browsers, and we, would not know for one.
            yield key.strip(" \t"), value.strip(" \t")
