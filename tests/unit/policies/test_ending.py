"""How what was allowed ends, and what is warned of."""

from datetime import datetime, timedelta

import pytest

from policies.decision import Decision, Outcome, Reason
from policies.ending import find_end, is_warned_of
from policies.identity import Client
from policies.model import Block, Grant
from policies.requirement import Access, Requirement
from tests.support.snapshots import CLIENT, NOW, make_block, make_grant, make_snapshot

WHO = Client(CLIENT, "session")
ENTITLED = Requirement("notes", Access.ENTITLED)
SIGNED_IN = Requirement("notes", Access.SIGNED_IN)
PAY = Decision(Outcome.PAY, Reason.GRANT_ENDED, CLIENT)
FORBID = Decision(Outcome.FORBID, Reason.BLOCKED, CLIENT)


def days(count: float) -> datetime:
    return NOW + timedelta(days=count)


@pytest.mark.parametrize(
    ("facts", "at", "reason"),
    [
        ([make_grant(until_at=None)], None, None),
        ([make_grant(until_at=days(1))], days(1), Reason.GRANT_ENDED),
        (
            [make_grant(until_at=days(1)), make_grant(from_at=days(1), until_at=days(3))],
            days(3),
            Reason.GRANT_ENDED,
        ),
        (
            [make_grant(until_at=days(1)), make_grant(from_at=days(2), until_at=None)],
            days(1),
            Reason.GRANT_AHEAD,
        ),
        ([make_grant(until_at=days(2)), make_block(from_at=days(1))], days(1), Reason.BLOCKED),
        (
            [make_grant(until_at=None), make_block(app_id="wiki", from_at=days(1))],
            None,
            None,
        ),
        ([make_grant(until_at=days(1), app_id="wiki"), make_grant(until_at=None)], None, None),
    ],
    ids=["never", "one", "taken over", "a hole", "block ahead", "another's block", "another's"],
)
def test_end_is_the_first_instant_at_which_a_request_would_be_refused(
    facts: list[Grant | Block], at: datetime | None, reason: Reason | None
) -> None:
    end = find_end(ENTITLED, WHO, make_snapshot(*facts), NOW)

    assert (end and end.at, end and end.decision.reason) == (at, reason)


def test_who_needs_no_grant_ends_with_none() -> None:
    snapshot = make_snapshot(make_grant(until_at=days(1)))

    assert find_end(SIGNED_IN, WHO, snapshot, NOW) is None


def block_of(service: str, **when: datetime) -> Block:
    return Block(None, service, "", **{"from_at": days(-1), **when})


@pytest.mark.parametrize(
    ("decision", "facts", "is_warned"),
    [
        (PAY, [], True),
        (Decision(Outcome.SIGN_IN, Reason.SESSION_ENDED), [], False),
        (Decision(Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN), [], False),
        (FORBID, [block_of("dunning")], True),
        (FORBID, [block_of("fraud")], False),
        (FORBID, [block_of("dispute")], False),
        (FORBID, [block_of("admin")], False),
        (FORBID, [block_of("dunning"), block_of("fraud")], False),
        (FORBID, [block_of("dunning"), block_of("fraud", from_at=days(1))], True),
    ],
)
def test_who_is_barred_for_more_than_money_is_not_warned(
    decision: Decision, facts: list[Block], is_warned: bool
) -> None:
    assert is_warned_of(decision, ENTITLED, make_snapshot(*facts), NOW) is is_warned
