"""Leaves a store that fails alone, so that it costs one time-out a second and not one a request."""

from collections.abc import Callable
from typing import Final

_PAUSE_S: Final = 1.0


class Rest:
    """After `failures` in a row one try a second may go ahead, until one succeeds."""

    def __init__(self, monotonic: Callable[[], float], failures: int = 1) -> None:
        self._monotonic = monotonic
        self._most = failures
        self._failures = 0
        self._next_try_s: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the store is not left alone."""
        return self._next_try_s is None

    def may_try(self) -> bool:
        """Tell whether to try now; who is told yes, does."""
        if self._next_try_s is None:
            return True
        now_s = self._monotonic()
        if now_s < self._next_try_s:
            return False
        self._next_try_s = now_s + _PAUSE_S
        return True

    def failed(self) -> None:
        """Take note that a try failed."""
        self._failures += 1
        if self._failures >= self._most:
            self._next_try_s = self._monotonic() + _PAUSE_S

    def succeeded(self) -> None:
        """Take note that a try went well."""
        self._failures = 0
        self._next_try_s = None
