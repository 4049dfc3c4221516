"""The decision: one total, pure function of requirement, identity, facts and time."""

from datetime import datetime

from policies.decision import Decision, Entitlement, Outcome, Reason
from policies.degraded import decide_unknown
from policies.entitlement import entitlement_of, find_block
from policies.identity import BadCredential, Client, Identity
from policies.model import Snapshot, Unknown
from policies.requirement import Access, Requirement


def decide(
    requirement: Requirement,
    identity: Identity,
    facts: Snapshot | Unknown | None,
    now: datetime,
    last_known: Snapshot | None = None,
) -> Decision:
    """Decide whether the request may pass at `now`; total, and never raises.

    `facts` None means that nobody looked, which is enough for a public route or an
    unidentified client. An entitled route without facts is treated as unknown, so
    that a forgotten look-up closes the door instead of opening it.
    """
    if isinstance(identity, BadCredential):
        return Decision(Outcome.SIGN_IN, Reason.BAD_CREDENTIAL, detail=identity.why)
    client_id = identity.client_id if isinstance(identity, Client) else None
    if requirement.access is Access.PUBLIC:
        return Decision(
            Outcome.ALLOW, Reason.PUBLIC_ROUTE, client_id, _held(requirement, facts, now)
        )
    if not isinstance(identity, Client):
        ended = identity.session_ended
        return Decision(Outcome.SIGN_IN, Reason.SESSION_ENDED if ended else Reason.NOT_SIGNED_IN)
    if requirement.access is Access.SIGNED_IN:
        return _decide_signed_in(requirement, identity, facts, now)
    if not isinstance(facts, Snapshot):
        unknown = facts or Unknown("no facts were looked up")
        return decide_unknown(requirement, identity.client_id, unknown, last_known, now)
    return _decide_entitled(requirement, identity.client_id, facts, now)


def _decide_signed_in(
    requirement: Requirement, client: Client, facts: Snapshot | Unknown | None, now: datetime
) -> Decision:
    if isinstance(facts, Snapshot) and (block := find_block(facts, requirement.app_id, now)):
        return Decision(
            Outcome.FORBID, Reason.BLOCKED, client.client_id, detail=_told(block.service)
        )
    held = _held(requirement, facts, now)
    return Decision(Outcome.ALLOW, Reason.SIGNED_IN, client.client_id, held)


def _decide_entitled(
    requirement: Requirement, client_id: str, snapshot: Snapshot, now: datetime
) -> Decision:
    entitlement = entitlement_of(snapshot, requirement.app_id, now)
    block = find_block(snapshot, requirement.app_id, now)
    if block is not None:
        return Decision(
            Outcome.FORBID, Reason.BLOCKED, client_id, entitlement, _told(block.service)
        )
    held = dict(entitlement.features)
    if requirement.feature in held:
        if held[requirement.feature] is not False:
            return Decision(Outcome.ALLOW, Reason.GRANT_LIVE, client_id, entitlement)
        return Decision(Outcome.PAY, Reason.FEATURE_OFF, client_id, entitlement)
    return Decision(Outcome.PAY, _why_no_grant(requirement, snapshot, now), client_id, entitlement)


def _why_no_grant(requirement: Requirement, snapshot: Snapshot, now: datetime) -> Reason:
    wanted = [
        g
        for g in snapshot.grants
        if g.app_id == requirement.app_id and g.feature == requirement.feature
    ]
    if any(g.from_at > now for g in wanted):
        return Reason.GRANT_AHEAD
    return Reason.GRANT_ENDED if wanted else Reason.NO_GRANT


def _held(
    requirement: Requirement, facts: Snapshot | Unknown | None, now: datetime
) -> Entitlement | None:
    return entitlement_of(facts, requirement.app_id, now) if isinstance(facts, Snapshot) else None


def _told(service: str) -> str:
    return f"blocked by {service}"
