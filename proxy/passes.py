"""Decisions that allowed: found again while everything that they rest on is the same.

Deciding is a pure function of the route, what the client holds and the time, and what a client
holds stays the same from the time of the decision until its own `valid_until`. While all of
these agree, deciding again would give this very decision. Facts are never taken from here.
"""

from dataclasses import dataclass
from datetime import datetime

from policies.decision import Decision
from policies.model import Snapshot
from proxy.parties import Terms
from proxy.routing import Matched

# A client and a route each; some 10 MB.
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Pass:
    """A decision that allows. `lines` tell the app what the client holds."""

    matched: Matched
    decision: Decision
    lines: bytes
    terms: Terms
    facts: Snapshot | None = None
    since: datetime | None = None


class Passes:
    """The last decision for each client and route that rests on a snapshot and nothing else."""

    def __init__(self) -> None:
        self._passes: dict[tuple[int, str], Pass] = {}

    def find(self, matched: Matched, facts: Snapshot, now: datetime) -> Pass | None:
        """Return what deciding anew would give, if that is known."""
        found = self._passes.get((id(matched), facts.client_id))
        if found is None or found.facts is not facts or found.matched is not matched:
            return None
        held = found.decision.entitlement
        if held is None or found.since is None or now < found.since:
            return None
        return found if held.valid_until is None or now < held.valid_until else None

    def keep(self, passed: Pass) -> None:
        """Remember a decision; of too many all are forgotten, and made anew when asked for."""
        if passed.facts is None or passed.decision.entitlement is None:
            return
        if len(self._passes) >= _REMEMBERED:
            self._passes.clear()
        self._passes[id(passed.matched), passed.facts.client_id] = passed
