"""Makes tokens: for credentials that ask for one, and for operators."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import jwt

from billing.oauth.claims import TYPE, Terms, claims_of
from billing.oauth.credential import is_one_of
from billing.oauth.form import Code, Refused, TokenRequest
from billing.oauth.rotation import LONGEST_TOKEN
from billing.oauth.signing import ALGORITHM, SigningKeys
from billing.ports import Clock
from billing.storage.credentials import Credential, find_credential, live_secrets
from billing.storage.pool import Database
from policies.permission import Role

_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Token:
    """A signed token, and what it is good for."""

    text: str
    token_id: str
    scopes: frozenset[str]
    lives_s: int


class Issuer:
    """Signs tokens under one name, `name`, which is their `iss` and their `aud`."""

    def __init__(
        self,
        name: str,
        keys: SigningKeys,
        database: Database,
        clock: Clock,
        *,
        lives: timedelta,
    ) -> None:
        self.name = name
        self._keys = keys
        self._database = database
        self._clock = clock
        self._lives = min(lives, LONGEST_TOKEN)

    async def grant(self, asked: TokenRequest) -> Token | Refused:
        """Return a token for the credential, if it is the one it says (RFC 6749, section 4.4).

        Raises:
            UnavailableError: the database does not answer.
        """
        credential = await self._authenticate(asked)
        if credential is None:
            return Refused(Code.INVALID_CLIENT, "no such credential, or another secret")
        scopes = credential.scopes if asked.scopes is None else asked.scopes
        if not scopes <= credential.scopes:
            return Refused(Code.INVALID_SCOPE, "the credential does not have all of these scopes")
        return await self.sign(
            Terms(
                subject=credential.id,
                credential_id=credential.id,
                name=credential.name,
                role=Role(credential.role),
                app_id=credential.app_id,
                client_id=None,
                scopes=scopes,
                lives=self._lives,
            )
        )

    async def sign(self, terms: Terms) -> Token:
        """Return a token that says so.

        Raises:
            UnavailableError: no key can be had.
            ValueError: it would live longer than a token may.
        """
        if terms.lives > LONGEST_TOKEN:
            raise ValueError("a token lives a day at most")
        key = await self._keys.get_signer()
        token_id = secrets.token_urlsafe(_ID_BYTES)
        claims = claims_of(terms, self.name, token_id, self._clock())
        text = jwt.encode(
            claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid, "typ": TYPE}
        )
        return Token(text, token_id, terms.scopes, int(terms.lives.total_seconds()))

    async def _authenticate(self, asked: TokenRequest) -> Credential | None:
        async with self._database.connection() as connection:
            credential = await find_credential(connection, asked.credential_id)
            # Asked and compared in any case, so that the time does not tell which ids there are.
            hashes = await live_secrets(connection, asked.credential_id, self._clock())
        is_right = is_one_of(asked.secret, hashes)
        if credential is None or credential.disabled_at is not None or not is_right:
            return None
        return credential
