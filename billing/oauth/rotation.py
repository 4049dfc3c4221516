"""Which signing key does what at an instant: pure, from when each begins to sign.

A key is published before it signs, so that whoever keeps our JWKS for a while has it by
then. The next key's beginning ends its signing; it goes on verifying until the last token
that it can have signed has ended, and is gone after that.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from billing.storage.signing_keys import StoredKey

LONGEST_TOKEN: Final = timedelta(days=1)
"""No token of ours lives longer, whatever the configuration was when it was signed."""
LEEWAY: Final = timedelta(seconds=30)
"""How far the clocks of two machines may be apart."""


class Phase(StrEnum):
    """Where a key stands in its life."""

    PUBLISHED = "published"
    SIGNING = "signing"
    VERIFYING = "verifying"
    GONE = "gone"


def phases_of(keys: Sequence[StoredKey], now: datetime) -> Mapping[str, Phase]:
    """Return each key's phase by its `kid`; the keys are in the order in which they sign."""
    phases = {}
    for place, key in enumerate(keys):
        successor = keys[place + 1] if place + 1 < len(keys) else None
        phases[key.kid] = _phase_of(key, successor, now)
    return phases


def is_due(keys: Sequence[StoredKey], now: datetime, key_age: timedelta) -> bool:
    """Tell whether it is time for another key: the newest is older than `key_age`."""
    return not keys or max(key.created_at for key in keys) + key_age <= now


def _phase_of(key: StoredKey, successor: StoredKey | None, now: datetime) -> Phase:
    if key.private_sealed is None:
        return Phase.GONE
    if now < key.signs_from_at:
        return Phase.PUBLISHED
    if successor is None or now < successor.signs_from_at:
        return Phase.SIGNING
    if now < successor.signs_from_at + LONGEST_TOKEN + LEEWAY:
        return Phase.VERIFYING
    return Phase.GONE
