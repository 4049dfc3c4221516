"""The key ring: personal data is sealed with its first key, and opened with any of them.

A sealed value is `version | length of the key id | key id | nonce | ciphertext and tag`, of
AES-256-GCM-SIV (RFC 8452), which stays safe should a nonce ever repeat. What is sealed belongs
to one place, its context (`table.column.row`): moved to another row it does not open.

No key is used as it is: HKDF (RFC 5869) makes one for each purpose of it.
"""

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from billing.errors import DamagedError, KeyRingError, UnknownKeyError

_VERSION: Final = 1
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12  # RFC 8452, section 4
_TAG_BYTES: Final = 16
_ID: Final = re.compile(r"[a-z0-9-]{1,16}")


@dataclass(frozen=True, slots=True)
class _Key:
    """One key as its purposes know it."""

    id: str
    sealing: AESGCMSIV = field(repr=False)
    indexing: bytes = field(repr=False)
    auditing: bytes = field(repr=False)


class KeyRing:
    """Seals with its first key; opens, indexes and checks with all."""

    def __init__(self, keys: Sequence[_Key]) -> None:
        self._keys = {key.id: key for key in keys}
        self._first = keys[0]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Make the ring of keys written `id:base64 of 32 bytes`.

        Raises:
            KeyRingError: there is none, one is not written so, two have the same id, or this
                machine's OpenSSL lacks the cipher. The message shows no key.
        """
        keys = [_parse(text) for text in texts]
        if not keys:
            raise KeyRingError("there is no key; `tollway keys new` makes one")
        if len({key.id for key in keys}) < len(keys):
            raise KeyRingError("two keys have the same id; each needs its own")
        return cls(keys)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"

    @property
    def key_id(self) -> str:
        """The id of the key that seals."""
        return self._first.id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of all keys, the one that seals first."""
        return tuple(self._keys)

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Return the text sealed for the place that `context` names; never twice the same."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        head = head_of(self._first.id)
        return head + nonce + self._first.sealing.encrypt(nonce, plaintext, _bound(head, context))

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return the text that was sealed for the place that `context` names.

        Raises:
            UnknownKeyError: it was sealed with a key that the ring has not.
            DamagedError: it was changed, or belongs elsewhere.
        """
        key_id = key_id_of(sealed)
        start = 2 + len(key_id)
        if len(sealed) < start + _NONCE_BYTES + _TAG_BYTES:
            raise DamagedError("a sealed value was cut short")
        nonce = sealed[start : start + _NONCE_BYTES]
        text = sealed[start + _NONCE_BYTES :]
        try:
            return self._get(key_id).sealing.decrypt(nonce, text, _bound(sealed[:start], context))
        except InvalidTag as error:
            raise DamagedError(f"the sealed value at {context} was changed or moved") from error

    def index(self, value: bytes, context: str) -> bytes:
        """Return under what the value is found again, by whoever has the first key."""
        return self.indexes(value, context)[0]

    def indexes(self, value: bytes, context: str) -> list[bytes]:
        """Return what `index` gives under each key: rows of an older one are found by these."""
        text = f"{context}\0".encode() + value
        return [hmac.digest(key.indexing, text, "sha256") for key in self._keys.values()]

    @property
    def audit_keys(self) -> Mapping[str, bytes]:
        """What signs the audit, by the id of the key."""
        return {key.id: key.auditing for key in self._keys.values()}

    def _get(self, key_id: str) -> _Key:
        try:
            return self._keys[key_id]
        except KeyError:
            raise UnknownKeyError(
                f"a value is sealed with the key {key_id!r}, which encryption.keys has not"
            ) from None


def key_id_of(sealed: bytes) -> str:
    """Return the id of the key that sealed the value.

    Raises:
        DamagedError: this is no sealed value.
    """
    if len(sealed) < 2 or sealed[0] != _VERSION or not 0 < sealed[1] <= len(sealed) - 2:
        raise DamagedError("this is no sealed value")
    try:
        return sealed[2 : 2 + sealed[1]].decode("ascii")
    except UnicodeDecodeError as error:
        raise DamagedError("this is no sealed value") from error


def is_sealed(value: bytes) -> bool:
    """Tell a sealed value from a text in JSON, which was kept in clear by older versions."""
    return value[:1] == bytes((_VERSION,))


def head_of(key_id: str) -> bytes:
    """Return what every value that the key sealed begins with, and no other."""
    name = key_id.encode()
    return bytes((_VERSION, len(name))) + name


def new_key(key_id: str) -> str:
    """Return a new key as the configuration takes it.

    Raises:
        KeyRingError: the id is none.
    """
    _check_id(key_id)
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def _parse(text: str) -> _Key:
    key_id, colon, encoded = text.strip().partition(":")
    if not colon:
        raise KeyRingError("a key is written id:base64; `tollway keys new` makes one")
    _check_id(key_id)
    try:
        secret = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise KeyRingError(f"the key {key_id!r} is not in base64") from None
    if len(secret) != _KEY_BYTES:
        raise KeyRingError(f"the key {key_id!r} has {len(secret)} bytes and needs {_KEY_BYTES}")
    try:
        sealing = AESGCMSIV(derive_key(secret, "seal"))
    except UnsupportedAlgorithm:
        raise KeyRingError(
            "the OpenSSL of this machine's cryptography lacks AES-GCM-SIV; 3.2 or newer has it"
        ) from None
    return _Key(key_id, sealing, derive_key(secret, "index"), derive_key(secret, "audit"))


def _check_id(key_id: str) -> None:
    if not _ID.fullmatch(key_id):
        # Not shown: without its id, what stands here is the key.
        raise KeyRingError("the id of a key has 1 to 16 of the characters a-z, 0-9 and -")


def derive_key(secret: bytes, purpose: str) -> bytes:
    """Return the key for one purpose that is made of the secret."""
    info = f"tollway {purpose} 1".encode()
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(secret)


def _bound(head: bytes, context: str) -> bytes:
    return head + context.encode()
