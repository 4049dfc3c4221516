"""How what was allowed ends: known in advance, or by a change; and whether that is warned of.

A request is decided on once. What it opened may stay open for days, and has to end when a new
request like it would be refused.
"""

from dataclasses import dataclass
from datetime import datetime

from policies.decision import Decision, Outcome
from policies.engine import decide
from policies.entitlement import next_change
from policies.identity import Identity
from policies.model import Snapshot
from policies.requirement import Requirement

# Of the services that block (`model.Block`), the one that waits for money. Whoever is barred
# for fraud, a dispute or by an operator shall have no time left to use.
_PATIENT_SERVICES = frozenset({"dunning"})


@dataclass(frozen=True, slots=True)
class End:
    """From `at` on, what was allowed is refused by `decision`."""

    at: datetime
    decision: Decision


def find_end(
    requirement: Requirement, identity: Identity, snapshot: Snapshot, now: datetime
) -> End | None:
    """Return how what is allowed at `now` ends by the passing of time alone; None is never.

    A change that leaves it allowed, such as one grant that takes over from another, is no end.
    """
    at = next_change(snapshot, requirement.app_id, now)
    while at is not None:
        decision = decide(requirement, identity, snapshot, at)
        if not decision.is_allowed:
            return End(at, decision)
        at = next_change(snapshot, requirement.app_id, at)
    return None


def is_warned_of(
    decision: Decision, requirement: Requirement, snapshot: Snapshot | None, at: datetime
) -> bool:
    """Tell whether an end by this refusal at `at` has the route's warning before it.

    Who has signed out, or whose token has ended, wanted it so or knew of it.
    """
    if decision.outcome is Outcome.PAY:
        return True
    if decision.outcome is not Outcome.FORBID or snapshot is None:
        return False
    return all(
        block.service in _PATIENT_SERVICES
        for block in snapshot.blocks
        if block.app_id in {None, requirement.app_id} and block.is_live(at)
    )
