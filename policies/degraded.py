"""What holds while the facts about a client are unknown.

Unknown is not unpaid (docs/architecture.md, invariants): a store that fails never
makes a 402, and never opens a door that the route's own policy keeps shut.
"""

from datetime import datetime

from policies.decision import Decision, Entitlement, Outcome, Reason
from policies.entitlement import entitlement_of, find_block
from policies.model import Snapshot, Unknown
from policies.requirement import OnUnknown, Requirement


def decide_unknown(
    requirement: Requirement,
    client_id: str,
    unknown: Unknown,
    last_known: Snapshot | None,
    now: datetime,
) -> Decision:
    """Decide by the route's outage policy.

    `last_known` serves a client until the end of the grant that was last seen, and
    never past it; a client of whom nothing was seen hears 503, not 402. Who is refused by a
    policy though the last facts say that it is paid, has a reason of its own, to be counted.
    """
    if requirement.on_unknown is OnUnknown.INSECURE_OPEN:
        return Decision(Outcome.ALLOW, Reason.LET_THROUGH_UNVERIFIED, client_id, detail=unknown.why)
    held = _find_held(requirement, last_known, now)
    if held is None:
        return Decision(Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN, client_id, detail=unknown.why)
    if requirement.on_unknown is OnUnknown.LAST_KNOWN:
        return Decision(Outcome.ALLOW, Reason.LAST_KNOWN_GRANT, client_id, held, unknown.why)
    return Decision(Outcome.UNAVAILABLE, Reason.PAID_BUT_REFUSED, client_id, held, unknown.why)


def _find_held(
    requirement: Requirement, last_known: Snapshot | None, now: datetime
) -> Entitlement | None:
    """Return what the client holds by the last facts, if that would open the door."""
    if last_known is None or find_block(last_known, requirement.app_id, now):
        return None
    entitlement = entitlement_of(last_known, requirement.app_id, now)
    is_held = dict(entitlement.features).get(requirement.feature, False) is not False
    return entitlement if is_held else None
