"""Leaves a provider alone for a while that fails again and again."""

from collections.abc import Callable

import structlog

from billing.errors import UnavailableError

_log = structlog.get_logger("billing.stripe")


class Breaker:
    """Shut after `failures` in a row; then one call is let through every `cooldown_s` seconds.

    Each call takes a turn by `enter`, and says by `succeed`, `fail` or `leave` what came
    of it. `monotonic` counts seconds on the machine's own clock.
    """

    def __init__(self, failures: int, cooldown_s: float, monotonic: Callable[[], float]) -> None:
        self._limit = failures
        self._cooldown_s = cooldown_s
        self._monotonic = monotonic
        self._in_a_row = 0
        self._retry_at = 0.0

    @property
    def is_shut(self) -> bool:
        """Tell whether calls are refused, but for one now and then."""
        return self._in_a_row >= self._limit

    def enter(self) -> None:
        """Let a call through.

        Raises:
            UnavailableError: it failed too often to be tried now.
        """
        if not self.is_shut:
            return
        now = self._monotonic()
        if now < self._retry_at:
            raise UnavailableError("the provider is left alone after too many failures")
        # One tries; the others wait for what comes of it, or for the next turn.
        self._retry_at = now + self._cooldown_s

    def succeed(self) -> None:
        """Note that the provider answered, if only to say no."""
        if self.is_shut:
            _log.info("provider_answers_again")
        self._in_a_row = 0

    def fail(self) -> None:
        """Note that the provider did not answer, or not as itself."""
        was_shut = self.is_shut
        self._in_a_row += 1
        if self.is_shut:
            self._retry_at = self._monotonic() + self._cooldown_s
            if not was_shut:
                _log.warning("provider_shut_out", failures=self._in_a_row, wait_s=self._cooldown_s)

    def leave(self) -> None:
        """Note that a call ended before anything was known: the next one may try at once."""
        if self.is_shut:
            self._retry_at = self._monotonic()
