"""Time: the machine's own, or, in demo mode, the machine's plus what the sandbox is ahead."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

# How often the sandbox's clock is looked at; a person moves it by hand.
_LOOK_EVERY_S = 0.1


def wall() -> datetime:
    """Return the present instant of this machine, aware and in UTC."""
    return datetime.now(UTC)


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
