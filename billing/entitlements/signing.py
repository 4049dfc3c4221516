"""Signs what processes leave for each other in Redis: who can write there can grant nothing."""

import hmac
from typing import Final

from billing.crypto.keyring import derive_key

# Half of an HMAC-SHA256 is as hard to guess as a key of 128 bits (RFC 2104 section 5).
_MAC_BYTES: Final = 16


class Signer:
    """Signs texts with a key made of the gateway's own secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive_key(secret, "redis")

    def sign(self, about: str, text: str) -> bytes:
        """Return the text signed; `about` tells what it is, and has no line feed in it."""
        data = text.encode()
        return self._mac(about, data) + data

    def check(self, about: str, signed: bytes) -> bytes | None:
        """Return what was signed as this, or None if it was not."""
        mac, data = signed[:_MAC_BYTES], signed[_MAC_BYTES:]
        return data if hmac.compare_digest(mac, self._mac(about, data)) else None

    def _mac(self, about: str, data: bytes) -> bytes:
        signed = b"%b\n%b" % (about.encode(), data)
        return hmac.digest(self._key, signed, "sha256")[:_MAC_BYTES]
