"""The keys that sign our tokens: ES256, kept sealed in Postgres, changed with an overlap."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from billing.errors import BillingError, UnavailableError
from billing.model import Cause, Source
from billing.oauth.ports import Sealer
from billing.oauth.rotation import Phase, is_due, phases_of
from billing.ports import Clock
from billing.storage.audit import write_audit
from billing.storage.pool import Connection, Database
from billing.storage.signing_keys import (
    StoredKey,
    add_signing_key,
    erase_signing_keys,
    list_signing_keys,
    lock_signing_keys,
)

_log = structlog.get_logger("billing.oauth")

ALGORITHM: Final = "ES256"
# Within it every process hears of a new key; it is a part of the delay before the key signs.
REFRESH_S: Final = 30.0
# A token with a key that nobody knows makes us look, once in this time whoever sends them.
_LOOK_AGAIN_S: Final = 1.0
_JANITOR: Final = Cause(Source.ADMIN, "system")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key at hand."""

    kid: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Known:
    stored: Sequence[StoredKey]
    opened: Mapping[str, SigningKey]
    read_s: float


class SigningKeys:
    """The keys as this process knows them, at most `REFRESH_S` old."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        clock: Clock,
        monotonic_s: Callable[[], float],
        *,
        publish_delay: timedelta,
        key_age: timedelta,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._publish_delay = publish_delay
        self._key_age = key_age
        self._known = _Known((), {}, float("-inf"))
        self._reading = asyncio.Lock()
        self._failed_s = float("-inf")

    async def get_signer(self) -> SigningKey:
        """Return the key that signs now; the first one is made when it is first asked for.

        Raises:
            UnavailableError: the database does not answer, or holds no key that can be opened.
        """
        known = await self._fresh(REFRESH_S)
        signer = self._signer(known)
        if signer is None:
            await self.rotate_if_due(self._clock())
            signer = self._signer(await self._fresh(REFRESH_S))
        if signer is None:
            raise UnavailableError("no signing key can be opened; see the log")
        return signer

    async def find_public(self, kid: str) -> ec.EllipticCurvePublicKey | None:
        """Return the key that verifies what `kid` has signed, unless its time is over.

        Raises:
            UnavailableError: it is not known here, and the database does not answer.
        """
        for age_s in (REFRESH_S, _LOOK_AGAIN_S):
            known = await self._fresh(age_s)
            key = self._published(known).get(kid)
            if key is not None:
                return key.private.public_key()
        return None

    async def jwks(self) -> dict[str, Any]:  # JSON
        """Return every key that signs, verifies, or soon will (RFC 7517)."""
        await self.get_signer()
        known = await self._fresh(REFRESH_S)
        return {"keys": [_jwk(key) for key in self._published(known).values()]}

    async def rotate_if_due(self, now: datetime) -> str | None:
        """Make a key if the newest one is old, and erase those whose time is over.

        Returns the new key's id; for a janitor, in any number of processes at once.
        """
        async with self._database.transaction() as connection:
            await lock_signing_keys(connection)
            keys = await list_signing_keys(connection)
            await self._erase_gone(connection, keys, now)
            made = None
            if is_due(keys, now, self._key_age):
                made = await self._add(connection, now, _JANITOR, at_once=not keys)
        self._forget()
        return made

    async def rotate(self, now: datetime, cause: Cause) -> str:
        """Make a key, which takes over after the delay; return its id.

        It signs at once where nobody else does: at the very first, or when the others were
        sealed by a key that is lost.
        """
        async with self._database.transaction() as connection:
            await lock_signing_keys(connection)
            keys = await list_signing_keys(connection)
            phases = phases_of(keys, now)
            signs = any(phases[k.kid] is Phase.SIGNING and self._open(k) for k in keys)
            made = await self._add(connection, now, cause, at_once=not signs)
        self._forget()
        return made

    async def _add(
        self, connection: Connection, now: datetime, cause: Cause, *, at_once: bool
    ) -> str:
        key = _new_key()
        der = key.private.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        signs_from_at = now if at_once else now + self._publish_delay
        sealed = self._sealer.seal(der, _context(key.kid))
        await add_signing_key(connection, StoredKey(key.kid, sealed, now, signs_from_at))
        told = {"kid": key.kid, "signs_from_at": signs_from_at.isoformat()}
        await write_audit(connection, "signing_key.added", None, cause, after=told)
        _log.info("signing_key_added", **told)
        return key.kid

    async def _erase_gone(
        self, connection: Connection, keys: Sequence[StoredKey], now: datetime
    ) -> None:
        phases = phases_of(keys, now)
        gone = [
            key.kid
            for key in keys
            if phases[key.kid] is Phase.GONE and key.private_sealed is not None
        ]
        if gone:
            await erase_signing_keys(connection, gone)
            _log.info("signing_keys_erased", kids=gone)

    def _forget(self) -> None:
        self._known = _Known(self._known.stored, self._known.opened, float("-inf"))

    async def _fresh(self, age_s: float) -> _Known:
        """Return the keys as read at most `age_s` ago; many who ask at once share a look.

        Raises:
            UnavailableError: the database does not answer, which those who wait share too.
        """
        asked_s = self._monotonic_s()
        async with self._reading:
            if self._failed_s >= asked_s:
                raise UnavailableError("the signing keys could not be read")
            if self._monotonic_s() - self._known.read_s > age_s:
                try:
                    async with self._database.connection() as connection:
                        stored = await list_signing_keys(connection)
                except UnavailableError:
                    self._failed_s = self._monotonic_s()
                    raise
                opened = {key.kid: opened for key in stored if (opened := self._open(key))}
                self._known = _Known(stored, opened, self._monotonic_s())
            return self._known

    def _open(self, stored: StoredKey) -> SigningKey | None:
        """Return the key, or None if it was erased, or if somebody else has put it there.

        Sealed for its `kid`, it opens under no other one.
        """
        if stored.private_sealed is None:
            return None
        known = self._known.opened.get(stored.kid)
        if known is not None:
            return known
        try:
            der = self._sealer.open(stored.private_sealed, _context(stored.kid))
        except BillingError as error:
            # One bad row must not take the good ones with it.
            _log.error("signing_key_unreadable", kid=stored.kid, why=str(error))
            return None
        private = serialization.load_der_private_key(der, password=None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)  # noqa: S101 - what we sealed
        return SigningKey(stored.kid, private)

    def _signer(self, known: _Known) -> SigningKey | None:
        phases = phases_of(known.stored, self._clock())
        return next((k for k in known.opened.values() if phases[k.kid] is Phase.SIGNING), None)

    def _published(self, known: _Known) -> Mapping[str, SigningKey]:
        phases = phases_of(known.stored, self._clock())
        return {kid: key for kid, key in known.opened.items() if phases[kid] is not Phase.GONE}


def _context(kid: str) -> str:
    return f"signing_keys.private_sealed.{kid}"


def _new_key() -> SigningKey:
    private = ec.generate_private_key(ec.SECP256R1())
    return SigningKey(_kid_of(private), private)


def _kid_of(private: ec.EllipticCurvePrivateKey) -> str:
    """Return the thumbprint of the key's public half (RFC 7638)."""
    public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    needed = {name: public[name] for name in ("crv", "kty", "x", "y")}
    text = json.dumps(needed, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _jwk(key: SigningKey) -> dict[str, Any]:  # JSON
    public = ECAlgorithm.to_jwk(key.private.public_key(), as_dict=True)
    return {**public, "kid": key.kid, "use": "sig", "alg": ALGORITHM}
