"""Which header fields go on, by their names; first strip, then set, on every route.

A client's own `X-Entitlement-Plan` never reaches an app, in no spelling
(`X_Entitlement_Plan`, `x.entitlement.plan`: oauth2-proxy CVE-2025-64484, Traefik
CVE-2026-88011), and `Connection` cannot name a field of ours (Traefik GHSA-62c8): what it
names is dropped while ours are not there yet.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from proxy.wire.chunks import Fields

# Kinds of fields; small numbers, since they are compared for every field of every message.
PLAIN: Final = 0
DROPPED: Final = 1
INVALID: Final = 2
CONTENT_LENGTH: Final = 3
TRANSFER_ENCODING: Final = 4
CONNECTION: Final = 5
UPGRADE: Final = 6
EXPECT: Final = 7
HOST: Final = 8
COOKIE: Final = 9
AUTHORIZATION: Final = 10
CACHE_CONTROL: Final = 11
SET_COOKIE: Final = 12

# Names and values of strangers that are longer are not remembered.
_SHORT: Final = 128
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FOLD = re.compile(r"[^a-z0-9]")
_OURS = ("x-entitlement-", "x-forwarded-", "x-tollway-")
_OUR_NAMES = frozenset(
    {"forwarded", "x-request-id", "x-real-ip", "proxy", "x-original-url", "x-rewrite-url"}
)
# RFC 9110 section 7.6.1, and fields that a proxy consumes itself.
_HOP_BY_HOP = frozenset(
    {
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
    }
)
_FRAMING = {
    "content-length": CONTENT_LENGTH,
    "transfer-encoding": TRANSFER_ENCODING,
    "connection": CONNECTION,
    "upgrade": UPGRADE,
}
_OF_REQUESTS = {
    **_FRAMING,
    "expect": EXPECT,
    "host": HOST,
    "cookie": COOKIE,
    "authorization": AUTHORIZATION,
}
_OF_RESPONSES = {**_FRAMING, "cache-control": CACHE_CONTROL, "set-cookie": SET_COOKIE}
# A trailer may not decide what a head decides (RFC 9110 section 6.5.1).
_NEVER_TRAILERS = frozenset(
    {"authorization", "content-encoding", "content-range", "content-type", "cookie", "host"}
    | {"cache-control", "set-cookie", "te", "trailer", "expect", "range", "vary", "location"}
)


def fold(name: str) -> str:
    """Return the name as the laxest backend may read it: lower case, everything else `-`."""
    return _FOLD.sub("-", name.lower())


class _Kinds(dict[bytes, int]):
    """Kinds by the name as it was sent; bounded, since names are strangers' words."""

    _LIMIT = 4096  # names of up to `_SHORT` bytes; longer ones are looked at each time

    def __init__(self, classify: Callable[[str], int]) -> None:
        super().__init__()
        self._classify = classify

    def __missing__(self, name: bytes) -> int:
        kind = self._classify(name.decode()) if _TOKEN.fullmatch(name) else INVALID
        if len(name) > _SHORT:
            return kind
        if len(self) >= self._LIMIT:
            self.clear()
        self[name] = kind
        return kind


def _of_request(name: str) -> int:
    lower, folded = name.lower(), fold(name)
    if lower in _OF_REQUESTS:
        return _OF_REQUESTS[lower]
    if folded.startswith(_OURS) or folded in _OUR_NAMES:
        return DROPPED
    # A twin such as `Content_Length` could be read as the real one.
    return DROPPED if folded in _HOP_BY_HOP or folded in _OF_REQUESTS else PLAIN


def _of_response(name: str) -> int:
    lower = name.lower()
    if lower in _OF_RESPONSES:
        return _OF_RESPONSES[lower]
    return DROPPED if lower in _HOP_BY_HOP else PLAIN


REQUEST: Final = _Kinds(_of_request)
"""The kind of a request's field, by its name."""

RESPONSE: Final = _Kinds(_of_response)
"""The kind of an answer's field, by its name."""


def connection_tokens(value: bytes) -> frozenset[bytes]:
    """Return the lower-case tokens of a `Connection` field."""
    # What visitors really send is short; long ones would fill the memory, at a stranger's will.
    return _recall_tokens(value) if len(value) <= _SHORT else _read_tokens(value)


def _read_tokens(value: bytes) -> frozenset[bytes]:
    return frozenset(t.strip(b" \t") for t in value.lower().split(b",") if t.strip(b" \t"))


_recall_tokens = lru_cache(256)(_read_tokens)


def strip_request(
    fields: Fields,
    named: frozenset[bytes],
    *,
    own_cookies: frozenset[bytes],
    hide_authorization: bool,
) -> list[bytes]:
    """Return the lines, each with its CRLF, of the fields that may reach an app.

    `named` are the tokens of `Connection`. `hide_authorization` is set when the bearer
    token was ours: an app must not be able to act as its visitor elsewhere. Host and
    framing are left out, since they are set anew.
    """
    lines: list[bytes] = []
    for name, value in fields:
        kind = REQUEST[name]
        if kind == PLAIN:
            if named and name.lower() in named:
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        elif kind == COOKIE:
            rest = _strip_cookies(value, own_cookies)
            if rest and b"cookie" not in named:
                lines.append(b"%b: %b\r\n" % (name, rest))
        elif kind == AUTHORIZATION and not hide_authorization and b"authorization" not in named:
            lines.append(b"%b: %b\r\n" % (name, value))
    return lines


def strip_response(
    fields: Fields, named: frozenset[bytes], *, own_cookies: frozenset[bytes], is_private: bool
) -> list[bytes]:
    """Return the lines, each with its CRLF, of the fields that may reach the visitor.

    `is_private` is set where a client was asked for: no shared cache may keep the answer
    for others, so it is marked private unless the app forbids more than that.
    """
    lines: list[bytes] = []
    is_silent = is_private
    for name, value in fields:
        kind = RESPONSE[name]
        if kind == PLAIN:
            if named and name.lower() in named:
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        elif kind == SET_COOKIE:
            # A cookie without a name is sent as its value alone, which may look like ours.
            pair = value.lstrip(b" \t=")
            if pair.partition(b"=")[0].strip(b" \t") not in own_cookies:
                lines.append(b"%b: %b\r\n" % (name, value))
        elif kind == CACHE_CONTROL:
            is_silent = False
            lines.append(b"%b: %b\r\n" % (name, _make_private(value) if is_private else value))
    if is_silent:
        lines.append(b"Cache-Control: private\r\n")
    return lines


def strip_trailers(trailers: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Return the trailer fields that may go on: none that a head would have decided by."""
    return tuple(
        (name, value)
        for name, value in trailers
        if REQUEST[name] == PLAIN and name.lower().decode() not in _NEVER_TRAILERS
    )


def _make_private(value: bytes) -> bytes:
    directives = [d.strip(b" \t") for d in value.split(b",") if d.strip(b" \t")]
    kept = [d for d in directives if not d.lower().startswith((b"public", b"s-maxage"))]
    words = {d.lower().partition(b"=")[0] for d in kept}
    if not words & {b"private", b"no-store"}:
        kept.append(b"private")
    return b", ".join(kept)


def _strip_cookies(line: bytes, own: frozenset[bytes]) -> bytes:
    """Return the cookies that are not ours; the line as it is if none is."""
    if not any(name in line for name in own):
        return line
    parts = (part.strip(b" \t") for part in line.split(b";"))
    return b"; ".join(
        part for part in parts if part and part.partition(b"=")[0].strip(b" \t") not in own
    )
