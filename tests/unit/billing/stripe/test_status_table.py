"""The status table: every word of Stripe's, with every pause and every cancellation."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.facts import PauseKind
from billing.model import Cause, Source
from billing.providers.stripe.objects import to_subscription
from billing.transitions import Sighting, observe
from policies.model import SubscriptionStatus as S
from tests.support.facts import SLACK, derive_all, make_plans, make_subscription
from tests.support.plans import make_plan

EXAMPLES = json.loads((Path(__file__).parents[3] / "data/stripe/examples.json").read_text())
START = 1_700_000_000
MONTH_S = 30 * 86_400
CANCEL_S = 10 * 86_400
NOW = datetime.fromtimestamp(START + 86_400, UTC)
NEVER = datetime.max.replace(tzinfo=UTC)

PAUSES: dict[str, dict[str, Any] | None] = {
    "collecting": None,
    "void": {"behavior": "void", "resumes_at": None},
    "draft": {"behavior": "keep_as_draft", "resumes_at": None},
    "uncollectible": {"behavior": "mark_uncollectible", "resumes_at": None},
}
CANCELLATIONS: dict[str, dict[str, Any]] = {
    "going on": {"cancel_at_period_end": False, "cancel_at": None},
    "ending with its period": {"cancel_at_period_end": True, "cancel_at": None},
    "ending on a day": {"cancel_at_period_end": False, "cancel_at": START + CANCEL_S},
}
# Ours, by Stripe's word, pause and cancellation; what is not here is the same throughout.
SAME = {
    "incomplete": S.PENDING,
    "incomplete_expired": S.ENDED,
    "trialing": S.TRIALING,
    "past_due": S.PAST_DUE,
    "unpaid": S.UNPAID,
    "paused": S.PAUSED,
    "canceled": S.ENDED,
}
ACTIVE = {
    ("collecting", "going on"): S.ACTIVE,
    ("collecting", "ending with its period"): S.CANCELING,
    ("collecting", "ending on a day"): S.CANCELING,
}
CELLS = [
    (word, pause, cancellation, SAME.get(word) or ACTIVE.get((pause, cancellation), S.PAUSED))
    for word in (*SAME, "active")
    for pause in PAUSES
    for cancellation in CANCELLATIONS
]
# Which pauses of an active subscription open doors when they are allowed to.
ALLOWED = frozenset({PauseKind.KEEP_AS_DRAFT, PauseKind.MARK_UNCOLLECTIBLE})
SEEN = Sighting(1, NOW, NOW, Cause(Source.WEBHOOK, "psp:stripe"))


def body(word: str, pause: str, cancellation: str) -> dict[str, Any]:
    subscription: dict[str, Any] = json.loads(json.dumps(EXAMPLES["subscription"]))
    item = subscription["items"]["data"][0]
    item |= {"current_period_start": START, "current_period_end": START + MONTH_S}
    item["price"]["id"] = "price_reader_1"
    subscription |= {"status": word, "start_date": START, "trial_end": None, "ended_at": None}
    return subscription | {"pause_collection": PAUSES[pause]} | CANCELLATIONS[cancellation]


@pytest.mark.parametrize(("word", "pause", "cancellation", "ours"), CELLS)
def test_cell_of_the_status_table(word: str, pause: str, cancellation: str, ours: S) -> None:
    found = to_subscription(body(word, pause, cancellation))

    assert observe(found, None, SEEN, frozenset()).status is ours


@pytest.mark.parametrize("cancellation", CANCELLATIONS)
@pytest.mark.parametrize(
    ("pause", "is_open"), [("void", False), ("draft", True), ("uncollectible", True)]
)
def test_pause_that_is_allowed_leaves_the_status_as_it_was(
    pause: str, cancellation: str, is_open: bool
) -> None:
    found = to_subscription(body("active", pause, cancellation))
    as_was = ACTIVE["collecting", cancellation]

    assert observe(found, None, SEEN, ALLOWED).status is (as_was if is_open else S.PAUSED)


@pytest.mark.parametrize(("word", "pause", "cancellation", "ours"), CELLS)
def test_door_stands_open_as_long_as_the_cell_says(
    word: str, pause: str, cancellation: str, ours: S
) -> None:
    plan = make_plan("reader")
    found = to_subscription(body(word, pause, cancellation))
    observed = observe(found, None, SEEN, frozenset())
    start = found.started_at
    period_end = found.items[0].period_end
    cancel_at = found.cancel_at or NEVER
    expected = {
        S.PENDING: None,
        S.TRIALING: min(period_end + SLACK, cancel_at),
        S.ACTIVE: period_end + SLACK,
        S.CANCELING: min(period_end, cancel_at),
        S.PAST_DUE: min(NOW + timedelta(days=plan.grace_days), cancel_at),
        S.UNPAID: NOW,
        S.PAUSED: NOW,
        S.ENDED: NOW,
    }[ours]

    held = make_subscription(
        status=observed.status,
        cancel_at=found.cancel_at,
        closed_at=observed.closed_at,
        past_due_since=observed.past_due_since,
        start=start,
        end=period_end,
    )

    assert [g.until_at for g in derive_all(held, plans=make_plans(plan))] == (
        [expected] if expected else []
    )
