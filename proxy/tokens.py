"""Bearer tokens: JSON Web Tokens of the issuers in the configuration (RFC 7519, RFC 6750)."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import jwt
from cachetools import LRUCache

from policies.identity import BadCredential
from proxy.settings import TokenIssuer

# A verified token is kept this long at most, and never past its own end: checking a
# signature again costs a hundred times what looking it up does.
_KEPT_S = 300.0
_MAX_TOKENS = 10_000
_MAX_CHARS = 8_192
# What the clients table holds as an external id.
_MAX_SUBJECT_CHARS = 200


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that is good; `external_id` is its subject at the issuer.

    From `until_s` on, in seconds since 1970, it has to be verified anew. `issued_s` is 0 if it
    does not say when it was issued.
    """

    external_id: str
    until_s: float
    issued_s: float = 0.0


class TokenVerifier:
    """Verifies tokens by issuer; a token has to expire, and to name its subject."""

    def __init__(self, issuers: Iterable[TokenIssuer], wall_s: Callable[[], float]) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._wall_s = wall_s
        self._verified: LRUCache[bytes, Verified] = LRUCache(_MAX_TOKENS)

    def verify(self, token: str) -> Verified | BadCredential:
        """Return the token's subject, or why the token is refused."""
        if len(token) > _MAX_CHARS:
            return BadCredential("token too long")
        if not token.isascii():
            return BadCredential("not a token")
        key = hashlib.sha256(token.encode()).digest()
        try:
            found: Verified = self._verified[key]
        except KeyError:
            return self._verify(token, key)
        return found if self.holds(found) else self._verify(token, key)

    def holds(self, verified: Verified) -> bool:
        """Tell whether what was verified need not be verified anew."""
        return self._wall_s() < verified.until_s

    def _verify(self, token: str, key: bytes) -> Verified | BadCredential:
        try:
            unverified = jwt.decode(token, options={"verify_signature": False})
            issuer = self._issuers[unverified["iss"]]
        except (jwt.InvalidTokenError, KeyError, TypeError):
            return BadCredential("not a token of a known issuer")
        try:
            claims = jwt.decode(
                token,
                issuer.key,
                # The configuration's algorithm, never the token's: see RFC 8725 section 3.1.
                algorithms=[issuer.algorithm],
                audience=issuer.audience,
                issuer=issuer.issuer,
                options={"require": ["exp", "sub", "aud", "iss"]},
            )
        except jwt.ExpiredSignatureError:
            return BadCredential("token has expired")
        except jwt.InvalidTokenError as error:
            return BadCredential(f"token refused: {error}")
        subject = claims["sub"]
        if not 0 < len(subject) <= _MAX_SUBJECT_CHARS or not subject.isprintable():
            return BadCredential("token's subject is not a client's name")
        verified = Verified(
            subject,
            min(float(claims["exp"]), self._wall_s() + _KEPT_S),
            float(claims.get("iat", 0.0)),
        )
        self._verified[key] = verified
        return verified
