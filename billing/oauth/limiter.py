"""How often somebody may try: a bucket for each, in bounded memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

# Who is not seen for longer than it takes to fill a bucket is forgotten without loss; with
# more at once than this, the one longest unseen begins anew.
_MAX_KEYS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and as many again in `period_s` seconds."""

    count: int
    period_s: float


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class Limiter:
    """Counts for each key; what turns out well can be given back."""

    def __init__(self, rate: Rate, monotonic_s: Callable[[], float]) -> None:
        self._rate = rate
        self._monotonic_s = monotonic_s
        self._buckets: LRUCache[str, _Bucket] = LRUCache(_MAX_KEYS)

    def take(self, key: str) -> int:
        """Count one try; return 0, or after how many seconds there may be one again."""
        bucket = self._filled(key)
        if bucket.left < 1:
            return max(1, math.ceil((1 - bucket.left) * self._rate.period_s / self._rate.count))
        bucket.left -= 1
        return 0

    def give_back(self, key: str) -> None:
        """Undo one try."""
        bucket = self._filled(key)
        bucket.left = min(bucket.left + 1, self._rate.count)

    def _filled(self, key: str) -> _Bucket:
        now_s = self._monotonic_s()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._rate.count, now_s)
        gained = (now_s - bucket.at_s) * self._rate.count / self._rate.period_s
        bucket.left = min(bucket.left + gained, self._rate.count)
        bucket.at_s = now_s
        return bucket
