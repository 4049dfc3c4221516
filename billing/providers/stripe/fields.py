"""What reading any of Stripe's objects needs: ids, instants, and what may go wrong."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from billing.errors import ProviderRefusedError

# What reading JSON of another shape, or an instant that no calendar has, can raise.
UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, OverflowError, OSError)

# JSON of another party: its shape is checked by reading it, in the pure files of this folder.
Json = Mapping[str, Any]

CLIENT_MARK = "tollway_client"
SITE_MARK = "tollway_site"
"""Keys of the metadata that our own calls put on objects: for whom, and by which gateway."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever reading JSON of another shape can raise into `ProviderRefusedError`."""
    try:
        yield
    except UNREADABLE as error:
        raise ProviderRefusedError(f"unreadable {what}: {error!r}") from error


def find_id(value: object) -> str | None:
    """Return the id of a field that holds an id, or the object when it was expanded."""
    if isinstance(value, Mapping):
        return str(value["id"])
    return str(value) if value else None


def get_id(value: object) -> str:
    """Return the id of such a field that is never empty."""
    found = find_id(value)
    if found is None:
        raise ValueError("no id")
    return found


def find_mark(body: Json, name: str) -> str | None:
    """Return what we wrote on the object under the name, if anything."""
    value = (body.get("metadata") or {}).get(name)
    return str(value) if value else None


def to_instant(seconds: float) -> datetime:
    """Return the instant of a Unix time."""
    return datetime.fromtimestamp(seconds, UTC)


def find_instant(seconds: float | None) -> datetime | None:
    """Return the instant of a Unix time that may be missing."""
    return None if seconds is None else to_instant(seconds)
