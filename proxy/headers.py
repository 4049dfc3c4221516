"""What is taken from a request's header fields, and what is set, on every route.

First strip, then set: a client's own `X-Entitlement-Plan` never reaches an app, in no
spelling (`X_Entitlement_Plan`, `x.entitlement.plan`: oauth2-proxy CVE-2025-64484, Traefik
CVE-2026-88011), and `Connection` cannot name a field of ours (Traefik GHSA-62c8).
"""

import re
from collections.abc import Iterable
from datetime import UTC
from urllib.parse import quote

from multidict import CIMultiDict, CIMultiDictProxy

from policies.decision import Decision

_FOLD = re.compile(r"[^a-z0-9]")
_OURS = ("x-entitlement-", "x-forwarded-", "x-tollway-")
_OUR_NAMES = frozenset(
    {"forwarded", "x-request-id", "x-real-ip", "proxy", "x-original-url", "x-rewrite-url"}
)
# RFC 9110 section 7.6.1, and fields that a proxy consumes itself.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Which fields frame the message: a twin with `_` or `.` could be read as the real one.
_FRAMING = frozenset({"content-length", "transfer-encoding", "host", "expect"})


def fold(name: str) -> str:
    """Return the name as the laxest backend may read it: lower case, everything else `-`."""
    return _FOLD.sub("-", name.lower())


def strip_request(
    headers: CIMultiDictProxy[str], *, own_cookies: frozenset[str], hide_authorization: bool
) -> CIMultiDict[str]:
    """Return the fields that may reach an app.

    `hide_authorization` is set when the bearer token was ours: an app must not be able
    to act as its visitor elsewhere.
    """
    named = connection_tokens(headers.getall("Connection", ()))
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lower, folded = name.lower(), fold(name)
        if lower in _HOP_BY_HOP or lower in named or lower == "expect":
            continue
        if folded.startswith(_OURS) or folded in _OUR_NAMES:
            continue
        if folded != lower and (folded in _FRAMING or folded in _HOP_BY_HOP):
            continue
        if lower == "authorization" and hide_authorization:
            continue
        if lower == "cookie":
            value = _strip_cookies(value, own_cookies)  # noqa: PLW2901 - the field's new value
            if not value:
                continue
        kept.add(name, value)
    return kept


def strip_response(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return the fields of an app's answer that may reach the client."""
    named = connection_tokens(headers.getall("Connection", ()))
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lower = name.lower()
        if lower not in _HOP_BY_HOP and lower not in named:
            kept.add(name, value)
    return kept


def connection_tokens(values: Iterable[str]) -> frozenset[str]:
    """Return the lower-case tokens of a request's `Connection` fields."""
    return frozenset(t.strip().lower() for value in values for t in value.split(",") if t.strip())


def forwarded_fields(
    address: str, scheme: str, host: str, request_id: str
) -> list[tuple[str, str]]:
    """Return the fields that tell an app where a request came from (RFC 7239).

    `host` is the one that visitors see, with its port unless that is the scheme's own.
    """
    node = f'"[{address}]"' if ":" in address else address
    return [
        ("X-Forwarded-For", address),
        ("X-Forwarded-Proto", scheme),
        ("X-Forwarded-Host", host),
        ("Forwarded", f'for={node};proto={scheme};host="{host}"'),
        ("X-Request-Id", request_id),
        ("Via", "1.1 tollway"),
    ]


def entitlement_fields(decision: Decision, decision_id: str) -> list[tuple[str, str]]:
    """Return the fields that tell an app who the client is and what was paid for.

    `X-Entitlement-Features` is a list `name` or `name=value`, percent-encoded where needed.
    """
    fields = [("X-Entitlement-Decision-Id", decision_id)]
    if decision.client_id is None:
        return [*fields, ("X-Entitlement-Status", "anonymous")]
    fields.append(("X-Entitlement-Client", decision.client_id))
    held = decision.entitlement
    if held is None:
        return [*fields, ("X-Entitlement-Status", "unknown")]
    status = held.status or ("granted" if held.features else "none")
    fields.append(("X-Entitlement-Status", status))
    if held.plan:
        fields.append(("X-Entitlement-Plan", quote(held.plan)))
    if held.features:
        fields.append(("X-Entitlement-Features", ", ".join(map(_feature, held.features))))
    if held.valid_until is not None:
        until = held.valid_until.astimezone(UTC).isoformat(timespec="seconds")
        fields.append(("X-Entitlement-Valid-Until", until.replace("+00:00", "Z")))
    return fields


def read_cookies(headers: CIMultiDictProxy[str], name: str) -> list[str]:
    """Return the values of every cookie of the name; a parent domain may have set a twin."""
    return [
        value
        for line in headers.getall("Cookie", ())
        for key, value in _cookie_pairs(line)
        if key == name
    ]


def _strip_cookies(line: str, own: frozenset[str]) -> str:
    return "; ".join(f"{k}={v}" if v is not None else k for k, v in _split(line) if k not in own)


def _cookie_pairs(line: str) -> Iterable[tuple[str, str]]:
    return ((key, value) for key, value in _split(line) if value is not None)


def _split(line: str) -> Iterable[tuple[str, str | None]]:
    for part in line.split(";"):
        key, mark, value = part.strip().partition("=")
        if key or mark:
            yield key.strip(), value.strip() if mark else None


def _feature(item: tuple[str, bool | int | str]) -> str:
    name, value = item
    if value is True:
        return quote(name)
    return f"{quote(name)}={str(value).lower() if value is False else quote(str(value))}"
