"""Denials that are counted, and written once a minute instead of once each.

Whoever has no token, or asks again and again for what it may not, could otherwise fill the audit
log, which nothing is ever removed from.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

PERIOD: Final = timedelta(minutes=1)
# Beyond these, what was asked is told as "other": there are fewer routes than that,
# and seldom as many callers who go too far in one minute.
_MAX_KINDS: Final = 200
_OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Tally:
    """How often what was denied, from when until when."""

    from_at: datetime
    until_at: datetime
    counts: Mapping[str, int]


class CountedDenials:
    """Counts denials of one minute at a time."""

    def __init__(self) -> None:
        self._from_at: datetime | None = None
        self._due_at: datetime | None = None
        self._counts: Counter[str] = Counter()

    def note(self, what: str, now: datetime) -> None:
        """Count one."""
        if self._from_at is None or self._due_at is None:
            self._from_at, self._due_at = now, now + PERIOD
        is_known = what in self._counts or len(self._counts) < _MAX_KINDS
        self._counts[what if is_known else _OTHER] += 1

    def take_due(self, now: datetime, *, whole: bool = False) -> Tally | None:
        """Take what was counted if its minute is over, or `whole` whenever it began."""
        if self._from_at is None or self._due_at is None or (not whole and now < self._due_at):
            return None
        tally = Tally(self._from_at, now, dict(self._counts))
        self._from_at, self._due_at, self._counts = None, None, Counter()
        return tally

    def put_back(self, tally: Tally) -> None:
        """Count again what could not be written; it is due a minute later, not at once again."""
        self._from_at, self._due_at = tally.from_at, tally.until_at + PERIOD
        for what, count in tally.counts.items():
            self._counts[what] += count
