"""What becomes of events on their way to us: they come at once, twice, late, or never."""

from random import Random

from tests.support.tally import HistoryTally

_COMES, _TWICE, _LATE, _NEVER = "delivered", "duplicated", "delayed", "lost"
_FATES = (_COMES, _TWICE, _LATE, _NEVER)
_WEIGHTS = (5, 3, 3, 2)
# Of those that are late, the part that comes with each round.
_PART = 0.3


class Post:
    """Events that were sent and have not come; `luck` says what befalls each."""

    def __init__(self, luck: Random, tally: HistoryTally) -> None:
        self._luck = luck
        self._tally = tally
        self._late: list[bytes] = []

    def deliver(self, sent: list[bytes]) -> list[bytes]:
        """Return what comes in this round, in any order; what is late may come in another."""
        coming = [body for body in self._late if self._luck.random() < _PART]
        self._late = [body for body in self._late if body not in coming]
        for body in sent:
            (fate,) = self._luck.choices(_FATES, _WEIGHTS)
            self._tally.add(f"events {fate}")
            if fate in {_COMES, _TWICE}:
                coming.append(body)
            if fate in {_TWICE, _LATE}:
                self._late.append(body)
        self._luck.shuffle(coming)
        return coming
