"""Where sealed values belong, and personal fields as they are sealed, opened and found again."""

import unicodedata
from typing import Final

from billing.crypto.keyring import KeyRing
from billing.errors import InvalidClientError

_NAME_CHARS: Final = 200
_EMAIL_CHARS: Final = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets
_EMAIL_INDEX: Final = "clients.email_index"


def context_of(table: str, column: str, row: object) -> str:
    """Return the context of a value: `table.column.row`."""
    return f"{table}.{column}.{row}"


def seal_text(ring: KeyRing, text: str | None, context: str) -> bytes | None:
    """Return the text sealed, None for None."""
    return None if text is None else ring.seal(text.encode(), context)


def open_text(ring: KeyRing, sealed: bytes | None, context: str) -> str | None:
    """Return the text, None for None; raises what `KeyRing.open` does."""
    return None if sealed is None else ring.open(sealed, context).decode()


def email_indexes(ring: KeyRing, email: str) -> list[bytes]:
    """Return under what a client of the address is found, the key that seals first.

    While keys change, some rows still have the index of an older one.
    """
    return ring.indexes(normalized_email(email).encode(), _EMAIL_INDEX)


def checked_name(name: str | None) -> str | None:
    """Return the name without blanks around it.

    Raises:
        InvalidClientError: it is empty, too long, or holds control characters.
    """
    if name is None:
        return None
    name = name.strip()
    if not 0 < len(name) <= _NAME_CHARS or not name.isprintable():
        raise InvalidClientError(f"a name has 1 to {_NAME_CHARS} printable characters")
    return name


def checked_email(email: str | None) -> str | None:
    """Return the address without blanks around it.

    Raises:
        InvalidClientError: it is no address.
    """
    if email is None:
        return None
    normalized_email(email)
    return email.strip()


def normalized_email(email: str) -> str:
    """Return the one form of all spellings of an address: NFKC, small letters, IDNA domain.

    Raises:
        InvalidClientError: it is no address.
    """
    text = unicodedata.normalize("NFKC", email).strip().casefold()
    local, at, domain = text.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        ascii_domain = ""
    is_plain = text.isprintable() and " " not in text
    if not (local and at and ascii_domain and is_plain) or len(text) > _EMAIL_CHARS:
        raise InvalidClientError("an e-mail address is written name@domain")
    return f"{local}@{ascii_domain}"
