"""Time: the machine's own, the one by which entitlements end, and the sandbox's in demo mode."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

_log = structlog.get_logger("gateway.clock")

# How often the sandbox's clock is looked at; a person moves it by hand.
_LOOK_EVERY_S = 0.1


def wall() -> datetime:
    """Return the present instant of this machine, aware and in UTC."""
    return datetime.now(UTC)


# What is set right by less is nobody's mistake, and moves no end of a grant that anybody sees.
_STEP_S: Final = 1.0


class SteadyClock:
    """Time by which entitlements begin and end: never back, and never slower than it passes.

    Whoever sets the machine's clock back must not give a client more than was paid for. So this
    one follows it forward only, and otherwise counts seconds that pass. It stays ahead until the
    process is started anew, by as much as the machine's was set back: log and health say so.

    `offset_s` is that of an earlier clock on this machine, which this one is never behind.
    """

    def __init__(
        self,
        offset_s: float = float("-inf"),
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self.offset_s = max(offset_s, wall_s() - monotonic_s())
        self._told_s = 0.0

    def __call__(self) -> datetime:
        """Return the present instant."""
        # In this order: a pause between the two makes the wall seem behind, never ahead.
        wall_s = self._wall_s()
        monotonic_s = self._monotonic_s()
        ahead_s = self.offset_s - (wall_s - monotonic_s)
        if ahead_s < 0.0:
            self._follow(-ahead_s)
        elif ahead_s - self._told_s > _STEP_S:
            self._told_s = ahead_s
            _log.error("clock_set_back", by_s=round(ahead_s, 1))
        return datetime.fromtimestamp(monotonic_s + self.offset_s, UTC)

    async def check(self) -> str | None:
        """Tell how far the machine's clock is behind, if it was set back (a `health.Check`)."""
        self()
        ahead_s = self.offset_s - (self._wall_s() - self._monotonic_s())
        if ahead_s < _STEP_S:
            return None
        return (
            f"the machine's clock was set back by {ahead_s:.0f} s; entitlements go by the old time"
        )

    def _follow(self, by_s: float) -> None:
        self.offset_s += by_s
        self._told_s = 0.0
        if by_s > _STEP_S:
            _log.warning("clock_set_forward", by_s=round(by_s, 1))


class SandboxClock:
    """Runs ahead by the seconds written in a file; a file that is not there means none.

    Only what a client is entitled to follows this clock. Signatures, sessions and waits
    follow `wall`, or moving the sandbox by a month would sign everybody out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = timedelta()
        self._looked_s = float("-inf")

    def __call__(self) -> datetime:
        """Return the present instant of the sandbox."""
        now_s = time.monotonic()
        if now_s - self._looked_s > _LOOK_EVERY_S:
            self._looked_s = now_s
            self._offset = self._read()
        return wall() + self._offset

    def _read(self) -> timedelta:
        try:
            return timedelta(seconds=float(self._path.read_text()))
        except (OSError, ValueError, OverflowError):
            return self._offset
