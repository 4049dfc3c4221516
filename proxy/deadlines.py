"""Time-outs of connections: looked at all together, a few times a second.

A timer of its own for every step of every request would cost more than the step.
"""

import asyncio
import math
from typing import Final, Protocol

import structlog

_log = structlog.get_logger("proxy")

NEVER: Final = math.inf


class Watched(Protocol):
    """Something that may have waited too long."""

    def check(self, now: float) -> None:
        """Act if a deadline has passed; `now` is the loop's time in seconds."""
        ...


class Deadlines:
    """Checks everything that is watched every `interval_s` seconds."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watched)

    def start(self) -> None:
        """Begin to check."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._interval_s, self._sweep)

    def stop(self) -> None:
        """Check no more."""
        if self._timer is not None:
            self._timer.cancel()

    def add(self, watched: Watched) -> None:
        """Watch."""
        self._watched.add(watched)

    def discard(self, watched: Watched) -> None:
        """Watch no more."""
        self._watched.discard(watched)

    def _sweep(self) -> None:
        self.start()
        now = asyncio.get_running_loop().time()
        # A copy: whoever has waited too long leaves the set.
        for watched in tuple(self._watched):
            try:
                watched.check(now)
            except Exception:  # noqa: BLE001 - the top of a callback, as told below
                # A mistake about one connection must not take the time-outs of all others.
                _log.exception("time_out_failed")


class Progress:
    """Tells whether what was written gets anywhere, however slowly."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._unsent = 0
        self._since = 0.0

    def is_stuck(self, unsent: int, now: float) -> bool:
        """Tell whether nothing of what waits, in bytes, has gone for too long."""
        if not self._unsent or unsent < self._unsent:
            self._since = now
        self._unsent = unsent
        return unsent > 0 and now - self._since >= self._limit_s
