"""One canonical request: host, path and method are read once, then matched and forwarded.

What two parsers could read differently is refused, so that the path we decide on is
the path that the app sees (proxies that decided on another one: Envoy CVE-2021-29492,
Oathkeeper CVE-2026-33494, Traefik CVE-2025-66490). Grammar: RFC 3986 sections 2 and 3,
RFC 9112 section 3.2.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}")
_HOST = re.compile(r"([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)\.?(?::([0-9]{1,5}))?")
# An address in brackets; no app has one, and a probe may.
_IPV6 = re.compile(r"(\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PORT = re.compile(r":[0-9]+\Z")
_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,=:@/%]*")
# Browsers send these raw in a query (WHATWG URL, query percent-encode set); RFC 3986
# would have them encoded. Nothing is ever matched on a query.
_QUERY = re.compile(r"[!$-;=?-~]*")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
# Escapes that some servers decode into a separator, once or twice, and others do not.
_AMBIGUOUS = re.compile(r"%(2f|5c|00|252f|255c|252e|2500)", re.IGNORECASE)
_AMBIGUOUS_BUT_SLASH = re.compile(r"%(5c|00|252f|255c|252e|2500)", re.IGNORECASE)
_SLASH = "%2F"


class CanonicalRequest(NamedTuple):
    """`path` is what is forwarded; `text` is the same path decoded, which routes match.

    A slash that came encoded, where that was allowed, stays `%2F` in both.
    `query` is None when there is no `?`. `host` has no port and no trailing dot; `port` is
    what the visitor wrote behind it, such as `:8080`, or empty.
    """

    method: str
    host: str
    path: str
    text: str
    query: str | None
    port: str = ""

    @property
    def authority(self) -> str:
        """Return the host with its port, as apps see it."""
        return f"{self.host}{self.port}"

    @property
    def other_reading(self) -> str | None:
        """Return the decoded path for whom `%2F` is a slash like any other; None without one."""
        return self.text.replace(_SLASH, "/") if _SLASH in self.path else None

    @property
    def target(self) -> str:
        """Return path and query in origin form."""
        return self.path if self.query is None else f"{self.path}?{self.query}"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request is not one that everybody reads alike; `why` goes to the client."""

    why: str


AMBIGUOUS_ESCAPE = Rejected("ambiguous escape in path")
"""Of a path with an escape that some servers decode into a separator, and others do not."""


def parse_request(
    method: str,
    target: str,
    hosts: Sequence[str],
    url_limit_bytes: int,
    *,
    encoded_slash: bool = False,
) -> CanonicalRequest | Rejected:
    """Read method, request target and Host header fields as they came over the wire.

    With `encoded_slash` the caller has to see to it that both readings of the path come to
    the same.
    """
    if not _TOKEN.fullmatch(method) or method in {"CONNECT", "TRACE"}:
        return Rejected("method not supported")
    if len(hosts) != 1:
        return Rejected("exactly one Host is needed")
    host = parse_host(hosts[0])
    if host is None:
        return Rejected("bad Host")
    port = _PORT.search(hosts[0])
    if len(target) > url_limit_bytes:
        return Rejected("target too long")
    origin_form = _to_origin_form(target, host)
    if origin_form is None:
        return Rejected("target and Host disagree")
    raw_path, mark, query = origin_form.partition("?")
    if not _QUERY.fullmatch(query):
        return Rejected("bad character in query")
    path = parse_path(raw_path, encoded_slash=encoded_slash)
    if isinstance(path, Rejected):
        return path
    text = path
    if "%" in path:
        text = _SLASH.join(unquote_to_bytes(part).decode() for part in path.split(_SLASH))
    return CanonicalRequest(
        method, host, path, text, query if mark else None, port[0] if port else ""
    )


@lru_cache(1024)
def parse_host(value: str) -> str | None:
    """Return the lower-case host name of a Host field, without port; None if it is none."""
    if not value.isascii():
        return None  # `lower` makes a k of the Kelvin sign, and would find another's host.
    literal = _IPV6.fullmatch(value.lower())
    if literal is not None:
        return literal[1]
    match = _HOST.fullmatch(value.lower())
    if match is None or ".." in match[1]:
        return None
    if match[2] is not None and int(match[2]) > 65535:
        return None
    return match[1]


def parse_origin(value: str) -> str | None:
    """Return the host name of an Origin field (RFC 6454, section 7); None if it names none."""
    scheme, mark, authority = value.partition("://")
    return parse_host(authority) if mark and scheme in {"http", "https"} else None


def parse_path(raw: str, *, encoded_slash: bool = False) -> str | Rejected:
    """Return the path with escapes in their one normal form (RFC 3986, section 6.2.2).

    With `encoded_slash` a slash may be encoded, once; it then stays `%2F`, and the rules for
    segments hold whether or not it is taken for a slash.
    """
    if not _PATH.fullmatch(raw):
        return Rejected("bad character in path")
    if "%" not in raw and "//" not in raw and "/." not in raw:
        return raw
    if len(_ESCAPE.findall(raw)) != raw.count("%"):
        return Rejected("bad escape in path")
    path = _ESCAPE.sub(_normal_escape, raw)
    # After that: `%25%32%66` is `%252f` by now.
    ambiguous = _AMBIGUOUS_BUT_SLASH if encoded_slash else _AMBIGUOUS
    if ambiguous.search(path):
        return AMBIGUOUS_ESCAPE
    read = path.replace(_SLASH, "/")
    if "//" in read:
        return Rejected("empty segment in path")
    # With what some servers cut off as parameters: `..%3Bx` is `..` to them.
    if any(segment.partition("%3B")[0] in {".", ".."} for segment in read.split("/")):
        return Rejected("dot segment in path")
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return Rejected("path is not UTF-8")
    return path


def _normal_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else f"%{match[1].upper()}"


def _to_origin_form(target: str, host: str) -> str | None:
    """Return path and query; an absolute target has to name the same host."""
    if target.startswith("/"):
        return target
    for scheme in ("http://", "https://"):
        if target.lower().startswith(scheme):
            authority, slash, rest = target[len(scheme) :].partition("/")
            return f"/{rest}" if slash and parse_host(authority) == host else None
    return None
