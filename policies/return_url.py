"""The page a visitor is sent back to: ours, signed, and never a URL from a parameter.

A return target is the host, path and query of a request that the gateway itself
received. It travels through sign-in and checkout as an opaque signed text, so that
nobody can make the gateway redirect to a place of their choosing (open redirects:
oauth2-proxy GHSA-qqxw, Pomerium GHSA-fv82).
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from datetime import datetime

_MAC_BYTES = 32
# Longer targets are not signed: they would not fit a Location header everywhere.
MAX_TARGET_CHARS = 4096


@dataclass(frozen=True, slots=True)
class ReturnTarget:
    """A page of ours. `target` is path and query as received, always beginning with one `/`.

    `feature` is what the route asked for, so that checkout can offer the plans which
    unlock it. `client_id` is whom the gateway saw there, or empty; `browser` is the
    fingerprint of the flow cookie that the gateway gave the browser there, or empty: only
    that browser is ever signed in on the way back (login CSRF).
    """

    host: str
    target: str
    app_id: str
    feature: str
    client_id: str = ""
    browser: str = ""


@dataclass(frozen=True, slots=True)
class BadTarget:
    """The text is not a target that we signed, or its time has passed."""

    why: str


def sign_target(target: ReturnTarget, key: bytes, expires_at: datetime) -> str:
    """Return the signed, URL-safe text of a target that is good until `expires_at`.

    Raises:
        ValueError: the target is not a path of ours, or is longer than `MAX_TARGET_CHARS`.
    """
    if not is_local_path(target.target) or len(target.target) > MAX_TARGET_CHARS:
        raise ValueError("not a local path")
    facts = {**asdict(target), "exp": int(expires_at.timestamp())}
    body = json.dumps(facts, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_mac(body, key) + body).rstrip(b"=").decode()


def verify_target(text: str, key: bytes, now: datetime) -> ReturnTarget | BadTarget:
    """Return the target that `text` stands for, or why it stands for none."""
    if len(text) > 4 * MAX_TARGET_CHARS:
        return BadTarget("too long")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return BadTarget("not base64")
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(body, key)):
        return BadTarget("signature does not match")
    facts = json.loads(body)
    if facts.pop("exp") <= now.timestamp():
        return BadTarget("expired")
    return ReturnTarget(**facts)


def fingerprint(cookie: str) -> str:
    """Return what may be known of a flow cookie without being able to present it."""
    # Bytes that are no text come as lone surrogates (PEP 383); they are nobody's cookie.
    return hashlib.sha256(b"flow\0" + cookie.encode(errors="surrogateescape")).hexdigest()


def is_local_path(target: str) -> bool:
    r"""Tell whether a browser that is given `target` as Location stays on its host.

    Browsers read `//` and `/\` as the start of another host, and drop control bytes
    before they look.
    """
    return (
        target.startswith("/")
        and not target.startswith("//")
        and "\\" not in target
        and all("!" <= c <= "~" for c in target)
    )


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, b"return-target\0" + body, hashlib.sha256).digest()
