"""`tollway events`: an operator finds a dead letter, looks into it, and lets it be applied."""

import json
from datetime import timedelta

from billing.facts import EventRef, ObjectKind, ObjectRef
from billing.storage.pool import Database
from billing.webhooks.inbox import Inbox
from gateway.clock import wall
from tests.support.commands import Operator

BODY = b'{"id": "evt_1", "data": {"object": {"customer_email": "ann@example.com"}}}'


async def bring_dead(database: Database, number: int = 1) -> int:
    """Put a dead letter into the inbox, and return its number."""
    inbox, now = Inbox(database, "stripe"), wall()
    event = EventRef(
        external_id=f"evt_{number}",
        type="customer.subscription.updated",
        ref=ObjectRef(ObjectKind.SUBSCRIPTION, f"sub_{number}"),
        livemode=False,
        api_version=None,
        occurred_at=now,
    )
    await inbox.store(event, BODY, {}, now)
    claim = await inbox.claim(now + timedelta(seconds=1), timedelta(seconds=60))
    assert claim is not None
    await inbox.fail(claim, now, now, "unreadable object", max_attempts=1)
    return claim.id


async def test_dead_letters_are_listed_shown_without_the_payer_and_replayed(
    operator: Operator, database: Database
) -> None:
    number = await bring_dead(database)

    listed = await operator.give("events", "dead")
    shown = await operator.give("events", "show", str(number))
    in_full = await operator.give("events", "show", str(number), "--body", "--json")
    replayed = await operator.give("events", "replay", str(number))
    afterwards = await operator.give("events", "list", "--json")

    assert "sub_1" in listed.out
    assert "unreadable" in listed.out
    assert '"evt_1"' in shown.out
    assert "example.com" not in shown.out
    assert json.loads(in_full.out)["body"] == json.loads(BODY)
    assert replayed.out == "1 event will be applied again\n"
    assert json.loads(afterwards.out)["state"] == "received"
    async with database.connection() as connection:
        actor = await connection.fetchval("select actor from audit")
    assert actor == "operator:ann"


async def test_all_dead_letters_are_replayed_at_once(
    operator: Operator, database: Database
) -> None:
    for number in (1, 2, 3):
        await bring_dead(database, number)

    replayed = await operator.give("events", "replay", "--dead", "--json")
    dead = await operator.give("events", "dead")

    assert len(json.loads(replayed.out)["replayed"]) == 3
    assert dead.out == "no such event\n"


async def test_what_cannot_be_done_is_one_line_and_exit_code_one(operator: Operator) -> None:
    given = [
        await operator.give("events", "show", "7"),
        await operator.give("events", "replay", "7"),
        await operator.give("events", "replay"),
        await operator.give("events", "list", "--client", "nobody"),
        await operator.give("events", "list", "--since", "yesterday"),
    ]

    assert [ended.code for ended in given] == [1] * 5
    assert all(ended.err.startswith("tollway: ") for ended in given)
    assert all(len(ended.err.splitlines()) == 1 for ended in given)
