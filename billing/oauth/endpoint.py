"""`POST /oauth/token`, and what a program has to know first: our keys and our metadata.

Errors are those of RFC 6749, section 5.2; 413 for what is too large, 429 for who tries too
often, 503 where the same request may be sent again.
"""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import structlog
from aiohttp import web

from billing.errors import UnavailableError
from billing.oauth.form import Code, Refused, TokenRequest, parse_token_request
from billing.oauth.issuing import Issuer
from billing.oauth.limiter import Limiter, Rate
from billing.oauth.signing import SigningKeys
from policies.permission import SCOPES

_log = structlog.get_logger("billing.oauth")

JWKS_AGE_S: Final = 300
"""How long others may keep our keys; less than the delay before a new one signs."""
_BODY_LIMIT_BYTES: Final = 8_192
# Secrets have 256 bits: nobody guesses one. This keeps those who try from costing us anything.
# A credential is limited for each address by itself, or anybody could shut a program out.
_FAILURES_OF_ADDRESS: Final = Rate(30, 60.0)
_FAILURES_OF_CREDENTIAL: Final = Rate(10, 60.0)
# A program needs one token in `oauth.token_ttl_s`; many processes of one may each ask.
_TOKENS: Final = Rate(120, 60.0)
_IPV6_PREFIX: Final = 64  # What one household or server has to itself.
_NO_STORE: Final = {"Cache-Control": "no-store"}
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="tollway", charset="UTF-8"'}


class TokenEndpoint:
    """Gives out tokens; `public_url` is where visitors reach the gateway, without a slash."""

    def __init__(
        self,
        issuer: Issuer,
        keys: SigningKeys,
        public_url: str,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self._public_url = public_url
        self._address_failures = Limiter(_FAILURES_OF_ADDRESS, monotonic_s)
        self._credential_failures = Limiter(_FAILURES_OF_CREDENTIAL, monotonic_s)
        self._tokens = Limiter(_TOKENS, monotonic_s)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; of them `/oauth/token` alone asks who comes."""
        return [
            web.post("/oauth/token", self.give),
            web.get("/.well-known/jwks.json", self.tell_keys),
            web.get("/.well-known/oauth-authorization-server", self.tell_metadata),
        ]

    async def give(self, request: web.Request) -> web.Response:
        """Give a token, or say in the words of OAuth why not."""
        if request.query_string:
            # It would stand in logs on the way (RFC 6749, section 2.3.1).
            return _refuse(Refused(Code.INVALID_REQUEST, "parameters belong into the body"))
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _too_large()
        if len(body) > _BODY_LIMIT_BYTES:
            return _too_large()
        asked = parse_token_request(
            request.headers.get("Content-Type", ""),
            request.headers.getall("Authorization", ()),
            body,
        )
        if isinstance(asked, Refused):
            return _refuse(asked)
        return await self._grant(asked, _network_of(request))

    async def _grant(self, asked: TokenRequest, network: str) -> web.Response:
        both = f"{asked.credential_id} {network}"
        # Counted before we look: many tries at once would otherwise all be the first one.
        wait_s = max(self._address_failures.take(network), self._credential_failures.take(both))
        if wait_s:
            _log.warning("token_refused", why="too many tries")
            return _slow_down(wait_s)
        try:
            found = await self._issuer.grant(asked)
        except UnavailableError as error:
            _log.warning("token_not_given", why=str(error))
            self._forgive(network, both)
            return _error("temporarily_unavailable", "try again", 503, {"Retry-After": "1"})
        if isinstance(found, Refused):
            _log.warning("token_refused", why=found.code.value)
            if found.code is not Code.INVALID_CLIENT:
                self._forgive(network, both)
            return _refuse(found)
        self._forgive(network, both)
        # Only now: who does not have the secret must not use up what the program may have.
        wait_s = self._tokens.take(asked.credential_id)
        if wait_s:
            _log.warning("token_refused", why="too many tokens")
            return _slow_down(wait_s)
        _log.info("token_given", credential_id=asked.credential_id, token_id=found.token_id)
        answer = {
            "access_token": found.text,
            "token_type": "Bearer",
            "expires_in": found.lives_s,
            "scope": " ".join(sorted(found.scopes)),
        }
        return web.json_response(answer, headers=_NO_STORE)

    async def tell_keys(self, _request: web.Request) -> web.Response:
        """Tell the keys that verify our tokens (RFC 7517)."""
        try:
            keys = await self._keys.jwks()
        except UnavailableError as error:
            _log.warning("jwks_not_told", why=str(error))
            return _error("temporarily_unavailable", "try again", 503, {"Retry-After": "1"})
        return web.json_response(keys, headers=_kept(), content_type="application/jwk-set+json")

    async def tell_metadata(self, _request: web.Request) -> web.Response:
        """Tell where and how tokens are given (RFC 8414)."""
        metadata = {
            "issuer": self._issuer.name,
            "token_endpoint": f"{self._public_url}/oauth/token",
            "jwks_uri": f"{self._public_url}/.well-known/jwks.json",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": sorted(SCOPES),
        }
        return web.json_response(metadata, headers=_kept())

    def _forgive(self, network: str, both: str) -> None:
        self._address_failures.give_back(network)
        self._credential_failures.give_back(both)


def _network_of(request: web.Request) -> str:
    """Return where the request came from, as the gateway's own proxy says.

    The control application is reached by that proxy alone, which makes the field anew.
    """
    text = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        address = ip_address(text or request.remote or "")
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address)


def _refuse(refused: Refused) -> web.Response:
    if refused.code is Code.INVALID_CLIENT:
        return _error(refused.code.value, refused.why, 401, _CHALLENGE)
    return _error(refused.code.value, refused.why, 400)


def _too_large() -> web.Response:
    return _error(Code.INVALID_REQUEST.value, "the body is too large", 413)


def _slow_down(wait_s: int) -> web.Response:
    return _error("slow_down", "too many tries", 429, {"Retry-After": str(wait_s)})


def _error(code: str, why: str, status: int, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": code, "error_description": why}
    return web.json_response(body, status=status, headers=_NO_STORE | (headers or {}))


def _kept() -> dict[str, str]:
    return {"Cache-Control": f"public, max-age={JWKS_AGE_S}"}
