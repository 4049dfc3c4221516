"""From where on what Redis holds is as good as what Postgres says.

No clock takes part, since machines' clocks differ. Postgres numbers its transactions, and every
snapshot has in it which of them it has seen: all that are numbered below its `as_of`. A snapshot
from Redis is believed as fresh if it has seen all that this process may have missed. Nothing was
missed since this process began to hear every notice and to tell Redis of each; whatever puts that
in doubt (a lost connection, more notices than could be followed, another server in Redis' place)
ends the trust, and the next reading of Postgres says from where it begins anew.
"""

import sys


class Trust:
    """Whether a snapshot from Redis is fresh; what is not is last known, and no more."""

    def __init__(self) -> None:
        self._begins_at: int | None = None
        self._is_hearing = False
        self._histories: dict[int, str] = {}
        self.doubts = 0
        """How often trust ended; who reads Postgres notes it before, and shows it to `learn`."""

    def covers(self, as_of: int) -> bool:
        """Tell whether a snapshot that has seen all transactions below `as_of` is fresh."""
        return self._begins_at is not None and as_of >= self._begins_at

    def doubt(self) -> None:
        """End the trust: something may have been missed, or was lost."""
        self._begins_at = None
        self.doubts += 1

    def hear(self, *, is_hearing: bool) -> None:
        """Say whether every change is heard from now on; what went before is in doubt."""
        self._is_hearing = is_hearing
        self.doubt()

    def learn(self, next_number: int, doubts: int) -> None:
        """Take up trust where a reading of Postgres stood that began after the last doubt.

        All transactions that ended before it are numbered below `next_number`. A snapshot that
        has seen those lacks only what ended later, and that we heard of.
        """
        if self._is_hearing and self._begins_at is None and doubts == self.doubts:
            self._begins_at = next_number

    def answered(self, part: int, history: str) -> None:
        """Take note that a server with this history of writes answered for this part of the keys.

        Another one than last time may lack the last writes of the one before, or be the one
        before, which nobody tells of changes any more. Without a history nothing is believed.
        """
        known = self._histories.get(part)
        if known != history or not history:
            self._histories[part] = sys.intern(history)
            if known is not None or not history:
                self.doubt()
