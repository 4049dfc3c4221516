"""From a token to a caller: our own tokens by their key's id, others by the configured issuer."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import jwt
from cachetools import LRUCache
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from billing.errors import InvalidTokenError
from billing.oauth.claims import (
    OPERATOR,
    TYPE,
    Claims,
    UnbelievableError,
    check_times,
    issued_in,
    role_in,
    scopes_in,
    text_in,
)
from billing.oauth.rotation import LEEWAY
from billing.oauth.signing import ALGORITHM, SigningKeys
from billing.oauth.standing import Standing
from billing.ports import Clock
from billing.storage.clients import admit_client
from billing.storage.pool import Database
from policies.permission import SCOPES_OF, Caller, Role

_MAX_CHARS: Final = 8_192
_MAX_TOKENS: Final = 10_000
# Ours says what it is for (RFC 9068, section 4); others may say no more than that it is a JWT.
_OWN_TYPES: Final = frozenset({TYPE, f"application/{TYPE}"})
_TYPES: Final = _OWN_TYPES | {"jwt", ""}
_OWN_CLAIMS: Final = ["iss", "aud", "sub", "exp", "iat", "jti", "client_id", "role"]
_CLAIMS: Final = ["iss", "aud", "sub", "exp"]


@dataclass(frozen=True, slots=True)
class ExternalIssuer:
    """An issuer of others' making; `role_claim` None means that its subjects are clients."""

    issuer: str
    audience: str
    algorithm: str
    key: str = field(repr=False)
    role_claim: str | None = None
    app_claim: str | None = None


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token that is good until `until_s`, as long as its credential is."""

    caller: Caller
    until_s: float
    issued_s: float
    credential_id: str | None = None


class TokenReader:
    """Reads tokens; what was verified is remembered until it ends."""

    def __init__(
        self,
        issuer: str,
        keys: SigningKeys,
        others: Sequence[ExternalIssuer],
        database: Database,
        standing: Standing,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self._others: Mapping[str, ExternalIssuer] = {other.issuer: other for other in others}
        self._database = database
        self._standing = standing
        self._clock = clock
        self._verified: LRUCache[bytes, _Verified] = LRUCache(_MAX_TOKENS)

    async def identify(self, token: str) -> Caller:
        """Return who calls.

        Raises:
            InvalidTokenError: the token is not good, or not any more.
            UnavailableError: a store did not answer; the token may be good.
        """
        if len(token) > _MAX_CHARS:
            raise InvalidTokenError("the token is too long")
        if not token.isascii():
            raise InvalidTokenError("this is no token")
        digest = hashlib.sha256(token.encode()).digest()
        found = self._verified.get(digest)
        if found is None or found.until_s + LEEWAY.total_seconds() <= self._clock().timestamp():
            found = await self._verify(token)
            self._verified[digest] = found
        await self._check_standing(found)
        return found.caller

    async def _check_standing(self, found: _Verified) -> None:
        credential_id, client_id = found.credential_id, found.caller.client_id
        if credential_id is not None and not await self._standing.is_credential_live(credential_id):
            raise InvalidTokenError("the token's credential is disabled")
        if client_id is not None and not await self._standing.may_speak_for(
            client_id, found.issued_s
        ):
            raise InvalidTokenError("the token's client is closed, unknown, or signed out since")

    async def _verify(self, token: str) -> _Verified:
        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
            header, issuer = unverified["header"], unverified["payload"].get("iss")
            if issuer == self._issuer:
                return await self._verify_own(token, header)
            # A list is no key of a mapping.
            other = self._others.get(issuer) if isinstance(issuer, str) else None
            if other is None:
                raise InvalidTokenError("the token is of no known issuer")
            return await self._verify_other(token, header, other)
        except UnbelievableError as error:
            raise InvalidTokenError(f"the token is refused: {error}") from error
        except jwt.PyJWTError as error:
            # Never the library's own words: some repeat what stands in the token.
            raise InvalidTokenError("the token is refused") from error

    async def _verify_own(self, token: str, header: Claims) -> _Verified:
        _check_type(header, _OWN_TYPES)
        public = await self._keys.find_public(text_in(header, "kid"))
        if public is None:
            raise InvalidTokenError("the token's key is not known here")
        claims = _decode(token, public, ALGORITHM, self._issuer, self._issuer, _OWN_CLAIMS)
        until_s = check_times(claims, self._clock())
        role = role_in(claims, "role")
        subject, credential_id = text_in(claims, "sub"), text_in(claims, "client_id")
        is_operators = credential_id == OPERATOR
        caller = Caller(
            role=role,
            scopes=scopes_in(claims),
            app_id=text_in(claims, "app") if role is Role.APP else None,
            client_id=text_in(claims, "client") if role is Role.CLIENT else None,
            name=text_in(claims, "name") if "name" in claims else subject,
            actor=subject if is_operators else f"credential:{credential_id}",
            token_id=text_in(claims, "jti"),
        )
        return _Verified(
            caller, until_s, issued_in(claims), None if is_operators else credential_id
        )

    async def _verify_other(self, token: str, header: Claims, other: ExternalIssuer) -> _Verified:
        _check_type(header, _TYPES)
        claims = _decode(token, other.key, other.algorithm, other.audience, other.issuer, _CLAIMS)
        until_s = check_times(claims, self._clock())
        subject = text_in(claims, "sub")
        role = _role_of(claims, other)
        token_id = text_in(claims, "jti") if "jti" in claims else ""
        caller = Caller(
            role, scopes_in(claims), None, None, subject, f"external:{subject}", token_id
        )
        issued_s = issued_in(claims)
        if role is Role.ADMIN:
            return _Verified(caller, until_s, issued_s)
        if role is Role.APP:
            return _Verified(
                replace(caller, app_id=text_in(claims, other.app_claim or "")), until_s, issued_s
            )
        async with self._database.connection() as connection:
            admitted = await admit_client(connection, subject)
        if admitted is None or issued_s < admitted.signed_out_s:
            raise InvalidTokenError("the token's client is closed, or signed out since")
        # Issuers of people's tokens seldom know our scopes; a person may then do what clients may.
        scopes = caller.scopes or SCOPES_OF[Role.CLIENT]
        caller = replace(
            caller,
            scopes=scopes,
            client_id=admitted.client_id,
            name=admitted.client_id,
            actor=f"client:{admitted.client_id}",
        )
        return _Verified(caller, until_s, issued_s)


def _check_type(header: Claims, types: frozenset[str]) -> None:
    """Refuse tokens that were made for something else (RFC 8725, section 3.11)."""
    found = header.get("typ", "")
    if not isinstance(found, str) or found.lower() not in types:
        raise UnbelievableError("its typ is that of another kind of token")


def _decode(
    token: str,
    key: EllipticCurvePublicKey | str,
    algorithm: str,
    audience: str,
    issuer: str,
    required: list[str],
) -> dict[str, Any]:  # JSON
    """Return the claims of a token that is signed as it has to be, for us, by this issuer.

    The algorithm is the key's, never the token's (RFC 8725, section 3.1). Times are not
    looked at: the library goes by a clock of its own.
    """
    return jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        audience=audience,
        issuer=issuer,
        options={
            "require": required,
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        },
    )


def _role_of(claims: Claims, other: ExternalIssuer) -> Role:
    if other.role_claim is None or other.role_claim not in claims:
        return Role.CLIENT
    return role_in(claims, other.role_claim)
