"""What tokens need of the world: somewhere to keep private keys from who reads the database."""

from typing import Protocol


class Sealer(Protocol):
    """Encrypts and authenticates; `context` says where a text belongs, and is no secret."""

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Return the text sealed; twice the same text is sealed differently."""
        ...

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return the text.

        Raises:
            BillingError: it was changed, moved from elsewhere, or its key is not known.
        """
        ...
