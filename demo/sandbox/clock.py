"""The sandbox's own time, which runs with the wall clock and can be pushed forward."""

import calendar
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from demo.sandbox.store import Store

_OFFSET = "clock_offset_s"

# Ten years: longer than any plan, and short enough that daily renewals stay countable.
ADVANCE_LIMIT_S = 10 * 366 * 86400

# A century: dates stay far from the last year that the calendar module knows.
_OFFSET_LIMIT_S = 10 * ADVANCE_LIMIT_S

# No step is longer, so this many of them cannot overshoot.
_LONGEST_DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}


class VirtualClock:
    """Epoch seconds: what `wall_s` says, plus an offset that the store keeps and only grows."""

    def __init__(self, store: Store, wall_s: Callable[[], float]) -> None:
        self._store = store
        self._wall_s = wall_s

    def now_s(self) -> int:
        """Return the sandbox's time, for the `created` of objects and for what falls due."""
        return int(self._wall_s()) + self.offset_s()

    def wall_now_s(self) -> float:
        """Return the real time, for signatures and for retries of deliveries."""
        return self._wall_s()

    def offset_s(self) -> int:
        """Return by how many seconds the sandbox is ahead of the wall clock."""
        return int(self._store.find_setting(_OFFSET) or 0)

    def advance(self, by_s: int) -> None:
        """Move the sandbox forward by `by_s` seconds, 1 to `ADVANCE_LIMIT_S`.

        Raises:
            ValueError: the step is out of range, or the sandbox is a century ahead already;
                time does not run backwards.
        """
        if not 0 < by_s <= ADVANCE_LIMIT_S:
            raise ValueError(f"the step must be 1 to {ADVANCE_LIMIT_S} seconds")
        with self._store.transaction():
            offset_s = self.offset_s() + by_s
            if offset_s > _OFFSET_LIMIT_S:
                raise ValueError("the sandbox is a century ahead already")
            self._store.save_setting(_OFFSET, str(offset_s))


def next_period_end_s(anchor_s: int, after_s: int, interval: str, count: int) -> int:
    """Return the first whole number of periods from `anchor_s` that lies after `after_s`.

    Months are counted from the anchor each time, so that a plan begun on the 31st comes
    back to the 31st after a short month instead of sliding to the 28th for good (Stripe,
    "Set the subscription billing renewal date").
    """
    anchor = datetime.fromtimestamp(anchor_s, UTC)
    steps = max(1, (after_s - anchor_s) // (_LONGEST_DAYS[interval] * 86400 * count))
    while True:
        end_s = int(_add(anchor, interval, steps * count).timestamp())
        if end_s > after_s:
            return end_s
        steps += 1


def _add(anchor: datetime, interval: str, count: int) -> datetime:
    if interval == "day":
        return anchor + timedelta(days=count)
    if interval == "week":
        return anchor + timedelta(weeks=count)
    months = anchor.month - 1 + (count if interval == "month" else 12 * count)
    year, month = anchor.year + months // 12, months % 12 + 1
    day = min(anchor.day, calendar.monthrange(year, month)[1])
    return anchor.replace(year=year, month=month, day=day)
