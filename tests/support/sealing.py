"""A sealer with one key, as small as one can be."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from billing.errors import BillingError

_NONCE_BYTES = 12


class OneKeySealer:
    """Seals with AES-GCM-SIV; the context is authenticated, not kept."""

    def __init__(self) -> None:
        self._cipher = AESGCMSIV(AESGCMSIV.generate_key(256))

    def seal(self, plaintext: bytes, context: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, text, context.encode())
        except InvalidTag as error:
            raise BillingError("it was not sealed here, or not for this") from error
