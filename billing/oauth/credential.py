"""Secrets of programs: 256 random bits, shown once and kept as a hash."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

# Told apart from other text by scanners that look for secrets where none should be.
_PREFIX: Final = "tollway_"
_RANDOM_BYTES: Final = 32
# Compared with where there is no credential, so that its absence takes no other time.
_NOBODYS: Final = bytes(32)


def new_secret() -> str:
    """Return a secret that nobody has had before."""
    return f"{_PREFIX}{secrets.token_urlsafe(_RANDOM_BYTES)}"


def hash_of(secret: str) -> bytes:
    """Return what is kept of a secret; at 256 random bits a plain hash cannot be undone."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def is_one_of(secret: str, hashes: Sequence[bytes]) -> bool:
    """Tell whether the secret is one of those kept, in a time that does not tell which."""
    hashed = hash_of(secret)
    found = [hmac.compare_digest(hashed, known) for known in hashes or (_NOBODYS,)]
    return any(found)
