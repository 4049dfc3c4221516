"""What was answered, held against what was true: pure. Times are seconds of the wall clock.

A process may decide by what was true until it could have heard better: at once, but for the
promised delay; during an outage of which it was told here, until that has ended. That never
excuses an allow past the end of the grant itself, and never a refusal: who refuses has looked.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_SHOWN: Final = 3


class Excuse(StrEnum):
    """What an outage excuses: acting on older facts, not deciding, and broken connections."""

    STALE = "stale"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"


class Answer(StrEnum):
    """What a client was told; a stream that was ended is not told why."""

    ALLOWED = "allowed"
    UNPAID = "unpaid"
    BLOCKED = "blocked"
    ENDED = "ended"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"


class Fault(StrEnum):
    """What must not happen."""

    OVER_GRANT = "over-grant"
    WRONG_DENIAL = "wrong denial"
    UNEXCUSED = "unavailable without an outage"
    BROKEN = "broken without an outage"


@dataclass(frozen=True, slots=True)
class Held:
    """What a client holds: paid until an instant (None: not at all), and barred or not."""

    until_s: float | None
    is_blocked: bool = False


_NOTHING: Final = Held(None)


@dataclass(frozen=True, slots=True)
class Change:
    """A commit, somewhere between these two instants, and what holds from it on."""

    begun_s: float
    done_s: float
    held: Held


@dataclass(frozen=True, slots=True)
class Outage:
    """When something was out of order, from before to after, and what that excuses."""

    name: str
    begun_s: float
    mended_s: float
    excuses: frozenset[Excuse]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client was told, somewhere between these two instants."""

    client: int
    begun_s: float
    ended_s: float
    answer: Answer
    how: str = ""


@dataclass(frozen=True, slots=True)
class Promise:
    """What the product promises, in seconds.

    `hears_s`: until every process acts on a change. `refuses_on_s`: how old what a refusal
    rests on may be. `recovers_s`: until all is as before once an outage has ended.
    """

    hears_s: float
    refuses_on_s: float
    recovers_s: float


@dataclass(slots=True)
class History:
    """What every client held, in the order of the commits."""

    changes: dict[int, list[Change]] = field(default_factory=lambda: defaultdict(list))

    def add(self, client: int, change: Change) -> None:
        """Note a commit; those of one client come one after the other."""
        self.changes[client].append(change)

    def now(self, client: int) -> Held:
        """Return what the client holds after all that was noted."""
        changes = self.changes.get(client)
        return changes[-1].held if changes else _NOTHING


class Judge:
    """Holds answers against a history that is over."""

    def __init__(self, history: History, outages: Iterable[Outage], promise: Promise) -> None:
        self._history = history
        self._promise = promise
        self._outages = {
            excuse: sorted(
                (o for o in outages if excuse in o.excuses), key=lambda outage: outage.begun_s
            )
            for excuse in Excuse
        }

    def judge(self, seen: Seen) -> Fault | None:
        """Tell what was wrong with an answer."""
        match seen.answer:
            case Answer.ALLOWED:
                return None if self._may_allow(seen) else Fault.OVER_GRANT
            case Answer.UNPAID | Answer.BLOCKED | Answer.ENDED:
                return None if self._may_refuse(seen) else Fault.WRONG_DENIAL
            case Answer.UNAVAILABLE:
                return None if self._is_excused(seen, Excuse.UNAVAILABLE) else Fault.UNEXCUSED
            case Answer.BROKEN:
                return None if self._is_excused(seen, Excuse.BROKEN) else Fault.BROKEN

    def count(self, seen: Iterable[Seen]) -> tuple[Counter[Fault], list[tuple[Fault, Seen]]]:
        """Return how often what was wrong, and the first of each kind."""
        counted: Counter[Fault] = Counter()
        kinds: Counter[tuple[Fault, str]] = Counter()
        first: list[tuple[Fault, Seen]] = []
        for each in seen:
            fault = self.judge(each)
            if fault is not None:
                counted[fault] += 1
                kinds[fault, each.how] += 1
                if kinds[fault, each.how] <= _SHOWN:
                    first.append((fault, each))
        return counted, first

    def _may_allow(self, seen: Seen) -> bool:
        return any(
            held.until_s is not None and held.until_s > seen.begun_s and not held.is_blocked
            for held in self._known(seen, self._hears_by)
        )

    def _may_refuse(self, seen: Seen) -> bool:
        return any(
            _is_refused(held, seen)
            for held in self._known(seen, lambda done_s: done_s + self._promise.refuses_on_s)
        )

    def _known(self, seen: Seen, superseded_at: Callable[[float], float]) -> Iterator[Held]:
        """Yield what whoever answered may have taken for true."""
        changes: Sequence[Change] = self._history.changes.get(seen.client, ())
        begun = bisect_right(changes, seen.ended_s, key=lambda change: change.begun_s)
        # What began later cannot have superseded anything yet.
        after: Change | None = None
        for change in (*reversed(changes[:begun]), None):
            if after is not None and superseded_at(after.done_s) < seen.begun_s:
                return
            yield _NOTHING if change is None else change.held
            after = change

    def _hears_by(self, done_s: float) -> float:
        """Return by when every process acts on a change."""
        by_s = done_s + self._promise.hears_s
        for outage in self._outages[Excuse.STALE]:
            recovered_s = outage.mended_s + self._promise.recovers_s
            if outage.begun_s <= by_s and recovered_s >= done_s:
                by_s = max(by_s, recovered_s + self._promise.hears_s)
        return by_s

    def _is_excused(self, seen: Seen, excuse: Excuse) -> bool:
        return any(
            outage.begun_s <= seen.ended_s
            and seen.begun_s <= outage.mended_s + self._promise.recovers_s
            for outage in self._outages[excuse]
        )


def _is_refused(held: Held, seen: Seen) -> bool:
    """Tell whether what is held gives that refusal."""
    is_unpaid = held.until_s is None or held.until_s <= seen.ended_s
    match seen.answer:
        case Answer.BLOCKED:
            return held.is_blocked
        case Answer.UNPAID:
            return is_unpaid and not held.is_blocked
        case _:
            return is_unpaid or held.is_blocked
