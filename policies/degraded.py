"""What holds while the facts about a client are unknown.

Unknown is not unpaid (docs/architecture.md, invariants): a store that fails never
makes a 402, and never opens a door that the route's own policy keeps shut.
"""

from datetime import datetime

from policies.decision import Decision, Outcome, Reason
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
    never past it; a client of whom nothing was seen hears 503, not 402.
    """
    if requirement.on_unknown is OnUnknown.INSECURE_OPEN:
        return Decision(Outcome.ALLOW, Reason.LET_THROUGH_UNVERIFIED, client_id, detail=unknown.why)
    if requirement.on_unknown is OnUnknown.LAST_KNOWN and last_known is not None:
        entitlement = entitlement_of(last_known, requirement.app_id, now)
        if _holds(entitlement.features, requirement.feature) and not find_block(
            last_known, requirement.app_id, now
        ):
            return Decision(
                Outcome.ALLOW, Reason.LAST_KNOWN_GRANT, client_id, entitlement, unknown.why
            )
    return Decision(Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN, client_id, detail=unknown.why)


def _holds(features: tuple[tuple[str, bool | int | str], ...], feature: str) -> bool:
    return any(name == feature and value is not False for name, value in features)
