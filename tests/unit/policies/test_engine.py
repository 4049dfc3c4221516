"""The decision table, a row a cell; then what holds of every decision."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.decision import Outcome, Reason
from policies.engine import decide
from policies.identity import Anonymous, BadCredential, Client, Identity
from policies.model import Block, Grant, Snapshot, Unknown
from policies.requirement import Access, OnUnknown, Requirement
from tests.support.snapshots import CLIENT, NOW, make_block, make_grant, make_snapshot

ANN = Client(CLIENT, "session")
PUBLIC = Requirement("notes", Access.PUBLIC)
SIGNED_IN = Requirement("notes", Access.SIGNED_IN)
ENTITLED = Requirement("notes", Access.ENTITLED)
DOWN = Unknown("Postgres did not answer in time")
PAST = NOW - timedelta(seconds=1)
LATER = NOW + timedelta(seconds=1)

Row = tuple[Requirement, Identity, Snapshot | Unknown | None, Outcome, Reason]

TABLE: dict[str, Row] = {
    "public, anonymous": (PUBLIC, Anonymous(), None, Outcome.ALLOW, Reason.PUBLIC_ROUTE),
    "public, session ended": (
        PUBLIC,
        Anonymous(session_ended=True),
        None,
        Outcome.ALLOW,
        Reason.PUBLIC_ROUTE,
    ),
    "public, client": (PUBLIC, ANN, None, Outcome.ALLOW, Reason.PUBLIC_ROUTE),
    "public, facts unknown": (PUBLIC, ANN, DOWN, Outcome.ALLOW, Reason.PUBLIC_ROUTE),
    "public, blocked": (
        PUBLIC,
        ANN,
        make_snapshot(make_block()),
        Outcome.ALLOW,
        Reason.PUBLIC_ROUTE,
    ),
    "public, bad credential": (
        PUBLIC,
        BadCredential("x"),
        None,
        Outcome.SIGN_IN,
        Reason.BAD_CREDENTIAL,
    ),
    "signed in, anonymous": (SIGNED_IN, Anonymous(), None, Outcome.SIGN_IN, Reason.NOT_SIGNED_IN),
    "signed in, session ended": (
        SIGNED_IN,
        Anonymous(session_ended=True),
        None,
        Outcome.SIGN_IN,
        Reason.SESSION_ENDED,
    ),
    "signed in, client": (SIGNED_IN, ANN, make_snapshot(), Outcome.ALLOW, Reason.SIGNED_IN),
    "signed in, facts unknown": (SIGNED_IN, ANN, DOWN, Outcome.ALLOW, Reason.SIGNED_IN),
    "signed in, blocked": (
        SIGNED_IN,
        ANN,
        make_snapshot(make_block()),
        Outcome.FORBID,
        Reason.BLOCKED,
    ),
    "entitled, anonymous": (ENTITLED, Anonymous(), None, Outcome.SIGN_IN, Reason.NOT_SIGNED_IN),
    "entitled, bad credential": (
        ENTITLED,
        BadCredential("x"),
        None,
        Outcome.SIGN_IN,
        Reason.BAD_CREDENTIAL,
    ),
    "entitled, nothing held": (ENTITLED, ANN, make_snapshot(), Outcome.PAY, Reason.NO_GRANT),
    "entitled, grant live": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant()),
        Outcome.ALLOW,
        Reason.GRANT_LIVE,
    ),
    "entitled, grant for ever": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(until_at=None)),
        Outcome.ALLOW,
        Reason.GRANT_LIVE,
    ),
    "entitled, grant begins now": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(from_at=NOW)),
        Outcome.ALLOW,
        Reason.GRANT_LIVE,
    ),
    "entitled, grant ends now": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(until_at=NOW)),
        Outcome.PAY,
        Reason.GRANT_ENDED,
    ),
    "entitled, grant ended": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(until_at=PAST)),
        Outcome.PAY,
        Reason.GRANT_ENDED,
    ),
    "entitled, grant ahead": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(from_at=LATER)),
        Outcome.PAY,
        Reason.GRANT_AHEAD,
    ),
    "entitled, another app's grant": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(app_id="wiki")),
        Outcome.PAY,
        Reason.NO_GRANT,
    ),
    "entitled, another feature's grant": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(feature="seats", value=10)),
        Outcome.PAY,
        Reason.NO_GRANT,
    ),
    "entitled, feature off": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(value=False)),
        Outcome.PAY,
        Reason.FEATURE_OFF,
    ),
    # 0 is a number of something, and not a no.
    "entitled, feature zero": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(value=0)),
        Outcome.ALLOW,
        Reason.GRANT_LIVE,
    ),
    "entitled, one live and one ended": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(until_at=PAST), make_grant(plan="team")),
        Outcome.ALLOW,
        Reason.GRANT_LIVE,
    ),
    "entitled, past due within grace": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(status="past_due")),
        Outcome.ALLOW,
        Reason.GRANT_LIVE,
    ),
    "entitled, blocked everywhere": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(), make_block()),
        Outcome.FORBID,
        Reason.BLOCKED,
    ),
    "entitled, blocked here": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(), make_block(app_id="notes")),
        Outcome.FORBID,
        Reason.BLOCKED,
    ),
    "entitled, blocked elsewhere": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(), make_block(app_id="wiki")),
        Outcome.ALLOW,
        Reason.GRANT_LIVE,
    ),
    "entitled, block lifted": (
        ENTITLED,
        ANN,
        make_snapshot(make_grant(), make_block(until_at=NOW)),
        Outcome.ALLOW,
        Reason.GRANT_LIVE,
    ),
    "entitled, facts unknown": (ENTITLED, ANN, DOWN, Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN),
    "entitled, nobody looked": (ENTITLED, ANN, None, Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_row_of_the_decision_table(row: Row) -> None:
    requirement, identity, facts, outcome, reason = row

    decision = decide(requirement, identity, facts, NOW)

    assert (decision.outcome, decision.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("on_unknown", "last_known", "outcome", "reason"),
    [
        (OnUnknown.LAST_KNOWN, None, Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN),
        (OnUnknown.LAST_KNOWN, make_grant(), Outcome.ALLOW, Reason.LAST_KNOWN_GRANT),
        (OnUnknown.LAST_KNOWN, make_grant(until_at=NOW), Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN),
        (OnUnknown.LAST_KNOWN, make_grant(value=False), Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN),
        (OnUnknown.LAST_KNOWN, make_block(), Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN),
        (OnUnknown.CLOSED, make_grant(), Outcome.UNAVAILABLE, Reason.PAID_BUT_REFUSED),
        (OnUnknown.CLOSED, make_grant(until_at=NOW), Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN),
        (OnUnknown.CLOSED, None, Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN),
        (OnUnknown.INSECURE_OPEN, None, Outcome.ALLOW, Reason.LET_THROUGH_UNVERIFIED),
    ],
)
def test_row_of_the_outage_table(
    on_unknown: OnUnknown, last_known: Grant | Block | None, outcome: Outcome, reason: Reason
) -> None:
    requirement = Requirement("notes", Access.ENTITLED, on_unknown=on_unknown)
    kept = None if last_known is None else make_snapshot(last_known)

    decision = decide(requirement, ANN, DOWN, NOW, kept)

    assert (decision.outcome, decision.reason) == (outcome, reason)


def test_last_known_grant_and_a_block_close_the_door_during_an_outage() -> None:
    last_known = make_snapshot(make_grant(), make_block())

    decision = decide(ENTITLED, ANN, DOWN, NOW, last_known)

    assert decision.outcome is Outcome.UNAVAILABLE


instants = st.integers(-5, 5).map(lambda days: NOW + timedelta(days=days))
grants = st.builds(
    Grant,
    app_id=st.sampled_from(["notes", "wiki"]),
    feature=st.sampled_from(["access", "seats"]),
    value=st.sampled_from([True, False, 0, 10, "large"]),
    from_at=instants,
    until_at=st.none() | instants,
    plan=st.sampled_from([None, "reader", "team"]),
    status=st.sampled_from([None, "active", "past_due", "canceling"]),
)
blocks = st.builds(
    Block,
    app_id=st.sampled_from([None, "notes", "wiki"]),
    service=st.just("dispute"),
    reason=st.just("chargeback"),
    from_at=instants,
    until_at=st.none() | instants,
)
snapshots = st.builds(
    Snapshot,
    client_id=st.just(CLIENT),
    version=st.integers(0, 9),
    taken_at=st.just(NOW),
    grants=st.lists(grants, max_size=4).map(tuple),
    blocks=st.lists(blocks, max_size=2).map(tuple),
)
requirements = st.builds(
    Requirement,
    app_id=st.just("notes"),
    access=st.sampled_from(Access),
    feature=st.sampled_from(["access", "seats"]),
    on_unknown=st.sampled_from([OnUnknown.LAST_KNOWN, OnUnknown.CLOSED]),
)
identities = st.sampled_from([Anonymous(), Anonymous(session_ended=True), BadCredential("x"), ANN])
unknowns = st.just(DOWN)


@given(requirements, identities, st.none() | unknowns | snapshots, st.none() | snapshots, instants)
def test_entitled_route_opens_only_by_a_live_grant_and_never_past_its_end(
    requirement: Requirement,
    identity: Identity,
    facts: Snapshot | Unknown | None,
    last_known: Snapshot | None,
    now: datetime,
) -> None:
    decision = decide(requirement, identity, facts, now, last_known)

    if decision.is_allowed and requirement.access is Access.ENTITLED:
        known = facts if isinstance(facts, Snapshot) else last_known
        assert known is not None
        assert any(
            g.app_id == "notes"
            and g.feature == requirement.feature
            and g.value is not False
            and g.from_at <= now
            and (g.until_at is None or now < g.until_at)
            for g in known.grants
        )


@given(requirements, identities, st.none() | unknowns, st.none() | snapshots, instants)
def test_ignorance_is_never_a_demand_for_payment(
    requirement: Requirement,
    identity: Identity,
    facts: Unknown | None,
    last_known: Snapshot | None,
    now: datetime,
) -> None:
    decision = decide(requirement, identity, facts, now, last_known)

    assert decision.outcome is not Outcome.PAY


@given(requirements, snapshots, instants)
def test_decision_holds_until_the_instant_that_it_names(
    requirement: Requirement, snapshot: Snapshot, now: datetime
) -> None:
    decision = decide(requirement, ANN, snapshot, now)

    if decision.entitlement is not None and decision.entitlement.valid_until is not None:
        just_before = decision.entitlement.valid_until - timedelta(microseconds=1)
        later = decide(requirement, ANN, snapshot, max(now, just_before))
        assert (later.outcome, later.reason) == (decision.outcome, decision.reason)


@given(requirements, snapshots, st.lists(grants, max_size=3), instants)
def test_more_grants_never_close_a_door(
    requirement: Requirement, snapshot: Snapshot, more: list[Grant], now: datetime
) -> None:
    richer = Snapshot(CLIENT, snapshot.version, NOW, (*snapshot.grants, *more), snapshot.blocks)

    before, after = (decide(requirement, ANN, facts, now) for facts in (snapshot, richer))

    assert after.is_allowed or not before.is_allowed
