"""Whether what was read in Postgres may be used unasked: as long as every end of it is heard of."""

from collections.abc import Callable

from billing.entitlements.memory import DEAF_S


class Hearing:
    """What one cache knows of its notices (`invalidation.Ears`)."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._deaf_since_s: float | None = None
        self.gaps = 0
        """How often ends may have gone unheard; who reads notes it."""

    def lost(self) -> None:
        """Ends may go unheard from now on: little is used unasked."""
        if self._deaf_since_s is None:
            self._deaf_since_s = self._monotonic()

    def hears(self) -> None:
        """All ends are heard from now on; what was read before has to be asked about once."""
        self._deaf_since_s = None
        self.gaps += 1

    def covers(self, gaps: int, read_s: float) -> bool:
        """Tell whether all ends were heard of what was read then, or it is seconds old."""
        if gaps != self.gaps:
            return False
        deaf_since_s = self._deaf_since_s
        if deaf_since_s is None:
            return True
        return self._monotonic() - max(read_s, deaf_since_s) <= DEAF_S
