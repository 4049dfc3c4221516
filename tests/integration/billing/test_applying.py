"""One look at one object: whose it is, what is written, and what is not."""

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs

from billing.apply import Applier
from billing.errors import NoSuchObjectError, ProviderRefusedError, UnavailableError
from billing.facts import DisputeState, ObjectKind, ObjectRef, PauseKind, PaymentState
from billing.metrics import Alarm
from billing.model import Cause, Source
from billing.result import Applied
from billing.storage.client_endings import erase_client
from billing.storage.clients import lock_client
from policies.decision import Outcome
from policies.model import SubscriptionStatus
from tests.integration.billing.conftest import Shop
from tests.support.keys import RING

CAUSE = Cause(Source.WEBHOOK, "psp:memory")
# What is compared of two databases in which the same history was told: everything that a
# provider says, and what opens doors; not when we happened to look.
TABLES = {
    "subscriptions": "select psp_sub_id, raw_status, status, pause, started_at, cancel_at,"
    " ended_at, psp_payment_id, verified from subscriptions order by 1",
    "items": "select psp_item_id, psp_price_id, plan, quantity, period_start, period_end"
    " from subscription_items order by 1",
    "payments": "select psp_payment_id, status, amount_minor, refunded_minor, dispute,"
    " taken_back_at, paid_at, subscription_id is null from payments order by 1",
    "checkouts": "select psp_session_id, state, psp_payment_id from checkout_intents order by 1",
    "grants": "select source_id, app_id, feature, value, status, from_at, until_at,"
    " revoked_at is null from grants order by 1, 2, 3",
}


# The tables as they are now, to come back to them 120 times.
FACTS = ("subscriptions", "subscription_items", "payments", "checkout_intents", "grants")
KEEP = "".join(f"create table kept_{t} as table {t};" for t in FACTS)
EMPTY_AND_REFILL = "".join(f"delete from {t}; insert into {t} table kept_{t};" for t in FACTS)
# Somebody waits: for a row that another transaction has locked, or for an object's lock.
WAITS = (
    "select exists (select 1 from pg_stat_activity where datname = current_database()"
    " and wait_event_type = 'Lock' and wait_event = $1)"
)
RESTORE = (
    f"set session_replication_role = replica; {EMPTY_AND_REFILL}"
    " set session_replication_role = origin"
)


async def tell(shop: Shop) -> dict[str, list[tuple[object, ...]]]:
    async with shop.database.connection() as connection:
        return {
            name: [tuple(row) for row in await connection.fetch(query)]
            for name, query in TABLES.items()
        }


async def counts(shop: Shop) -> dict[str, int]:
    async with shop.database.connection() as connection:
        return {
            table: await connection.fetchval(f"select count(*) from {table}")
            for table in ("subscriptions", "payments", "grants", "audit", "entitlement_versions")
        }


async def test_same_object_again_changes_nothing(shop: Shop) -> None:
    session_id = await shop.buy()
    before, counted = await tell(shop), await counts(shop)

    for ref in ("subscription:sub_", "payment:pay_", "checkout:"):
        result = await shop.see(f"{ref}{session_id}")
        assert (result.applied, result.changes) == (Applied.UNCHANGED, ())

    assert (await tell(shop), await counts(shop)) == (before, counted)


async def test_dry_run_tells_what_would_change_and_changes_nothing(shop: Shop) -> None:
    session_id = await shop.buy()
    shop.clock.move(days=1)
    shop.provider.end(f"sub_{session_id}")
    before, counted = await tell(shop), await counts(shop)

    dry = await shop.see(f"subscription:sub_{session_id}", Source.RECONCILE, dry_run=True)
    unchanged = (await tell(shop), await counts(shop), await shop.outcome())
    wet = await shop.see(f"subscription:sub_{session_id}", Source.RECONCILE)

    assert unchanged == (before, counted, Outcome.ALLOW)
    assert dry == wet
    told = {change.kind: (change.before, change.after) for change in dry.changes}
    assert told["subscription.status"] == ("active", "ended")
    assert told["grant.until_at"][1] == shop.clock().isoformat()


async def test_version_is_raised_and_told_only_when_a_grant_changed(shop: Shop) -> None:
    session_id = await shop.buy()
    version = "select version from entitlement_versions"
    async with shop.database.connection() as connection:
        first = await connection.fetchval(version)
        shop.provider.give_back(f"pay_{session_id}", 100)
        await shop.see(f"payment:pay_{session_id}")
        partly = await connection.fetchval(version)
        shop.clock.move(days=1)
        shop.provider.give_back(f"pay_{session_id}")
        await shop.see(f"payment:pay_{session_id}")
        wholly = await connection.fetchval(version)

    assert (partly - first, wholly - partly) == (0, 1)


# Whose is it?


async def test_object_of_the_other_mode_is_foreign(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)
    held, paid = shop.provider.subscriptions, shop.provider.payments
    held[f"sub_{session_id}"] = replace(held[f"sub_{session_id}"], livemode=True)
    paid[f"pay_{session_id}"] = replace(paid[f"pay_{session_id}"], livemode=True)

    results = [await shop.see(f"{r}{session_id}") for r in ("subscription:sub_", "payment:pay_")]

    assert {result.applied for result in results} == {Applied.FOREIGN}
    assert await shop.outcome() is Outcome.PAY


@pytest.mark.parametrize(
    ("site", "applied"),
    [(None, Applied.CHANGED), ("g.example", Applied.CHANGED), ("other.example", Applied.FOREIGN)],
)
async def test_what_another_gateway_sold_on_the_same_account_is_foreign(
    shop: Shop, site: str | None, applied: Applied
) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)
    sub_id = f"sub_{session_id}"
    shop.provider.subscriptions[sub_id] = replace(shop.provider.subscriptions[sub_id], site=site)
    applier = Applier(
        shop.database,
        shop.provider,
        shop.checkout._catalog,
        shop.clock,
        shop.reader.invalidate,
        timedelta(hours=1),
        site="g.example",
    )

    result = await applier.apply(ObjectRef(ObjectKind.SUBSCRIPTION, sub_id), CAUSE)

    assert result.applied is applied


async def test_customer_and_subscription_of_nobody_are_foreign(shop: Shop) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)
    sub_id = f"sub_{session_id}"
    held = shop.provider.subscriptions[sub_id]
    shop.provider.subscriptions[sub_id] = replace(held, client_ref="no-client-of-ours")

    refs = (f"subscription:{sub_id}", f"payment:pay_{session_id}", f"customer:cus_{shop.client_id}")
    results = [await shop.see(ref) for ref in refs]

    assert [result.applied for result in results] == [Applied.FOREIGN] * 3
    assert await counts(shop) == dict.fromkeys(await counts(shop), 0)


async def test_order_in_our_clients_name_that_is_not_in_our_books_is_not_dropped(
    shop: Shop,
) -> None:
    session_id = await shop.open_checkout("lifetime")
    shop.provider.pay(session_id)
    async with shop.database.connection() as connection:
        await connection.execute("update checkout_intents set psp_session_id = null")

    with pytest.raises(ProviderRefusedError, match="not in our books"):
        await shop.see(f"checkout:{session_id}")


async def test_thing_that_leads_to_no_payment_is_told_as_missing(shop: Shop) -> None:
    with pytest.raises(NoSuchObjectError):
        await shop.see("payment:re_nowhere")


# What we do not know


async def test_price_that_no_plan_has_keeps_what_the_item_gave_and_raises_an_alarm(
    shop: Shop,
) -> None:
    session_id = await shop.buy()
    sub_id = f"sub_{session_id}"
    held = shop.provider.subscriptions[sub_id]
    strange = replace(
        held.items[0],
        psp_price_id="price_of_a_dashboard",
        period_end=held.items[0].period_end + timedelta(days=30),
    )
    shop.provider.subscriptions[sub_id] = replace(held, items=(strange,))

    with capture_logs() as logs:
        await shop.see(f"subscription:{sub_id}")
    shop.clock.move(days=40)

    assert await shop.outcome() is Outcome.ALLOW
    assert [(log["event"], log["price"]) for log in logs] == [
        ("unknown_price", "price_of_a_dashboard")
    ]
    assert shop.meter.alarms == [Alarm.UNKNOWN_PRICE]


async def test_status_that_we_do_not_know_keeps_the_door_as_it_is_and_raises_an_alarm(
    shop: Shop,
) -> None:
    session_id = await shop.buy()
    sub_id = f"sub_{session_id}"
    shop.provider.subscriptions[sub_id] = replace(
        shop.provider.subscriptions[sub_id], status=None, raw_status="novel"
    )

    with capture_logs() as logs:
        await shop.see(f"subscription:{sub_id}")

    assert await shop.outcome() is Outcome.ALLOW
    assert [(log["event"], log["status"]) for log in logs] == [("unknown_status", "novel")]
    assert shop.meter.alarms == [Alarm.UNKNOWN_STATUS]
    async with shop.database.connection() as connection:
        assert await connection.fetchval("select verified from subscriptions") is False


async def test_alarm_tells_no_more_than_ids(shop: Shop) -> None:
    session_id = await shop.buy()
    structlog.reset_defaults()
    sub_id = f"sub_{session_id}"
    held = shop.provider.subscriptions[sub_id]
    shop.provider.subscriptions[sub_id] = replace(
        held, items=(replace(held.items[0], psp_price_id="price_9"),), raw='{"email": "a@b.c"}'
    )

    with capture_logs() as logs:
        await shop.see(f"subscription:{sub_id}")

    assert [set(log) for log in logs] == [
        {"event", "log_level", "client_id", "subscription", "price"}
    ]


@pytest.mark.parametrize(
    ("pause", "open_pauses", "outcome"),
    [
        (PauseKind.VOID, frozenset(), Outcome.PAY),
        (PauseKind.KEEP_AS_DRAFT, frozenset(), Outcome.PAY),
        (PauseKind.KEEP_AS_DRAFT, frozenset({PauseKind.KEEP_AS_DRAFT}), Outcome.ALLOW),
    ],
)
async def test_paused_collection_shuts_after_what_is_paid_unless_it_is_allowed(
    shop: Shop, pause: PauseKind, open_pauses: frozenset[PauseKind], outcome: Outcome
) -> None:
    sub_id = f"sub_{await shop.buy()}"
    shop.clock.move(days=31)
    bill = shop.provider.renew(sub_id, is_paid=False)
    shop.provider.payments[bill] = replace(shop.provider.payments[bill], state=PaymentState.VOID)
    shop.provider.change(sub_id, status=SubscriptionStatus.ACTIVE, pause=pause)
    applier = Applier(
        shop.database,
        shop.provider,
        shop.checkout._catalog,
        shop.clock,
        shop.reader.invalidate,
        timedelta(hours=1),
        open_pauses=open_pauses,
    )

    await applier.apply(ObjectRef(ObjectKind.SUBSCRIPTION, sub_id), CAUSE)

    assert await shop.outcome() is outcome


# Snapshots, while the provider is down


async def test_snapshot_prolongs_access_while_the_provider_is_down(shop: Shop) -> None:
    sub_id = f"sub_{await shop.buy()}"
    shop.clock.move(days=30)
    shop.provider.renew(sub_id)
    snapshot = shop.provider.subscriptions[sub_id]
    shop.provider.is_down = True
    shop.clock.move(hours=2)

    result = await shop.applier.apply_snapshot(snapshot, shop.clock(), CAUSE)

    assert result.applied is Applied.CHANGED
    assert await shop.outcome() is Outcome.ALLOW
    async with shop.database.connection() as connection:
        assert await connection.fetchval("select verified from subscriptions") is False


async def test_snapshot_never_lowers_access(shop: Shop) -> None:
    sub_id = f"sub_{await shop.buy()}"
    before = await tell(shop)
    shop.clock.move(days=1)
    shop.provider.end(sub_id)

    result = await shop.applier.apply_snapshot(
        shop.provider.subscriptions[sub_id], shop.clock(), CAUSE
    )

    assert (result.applied, result.detail) == (Applied.STALE, "would lower access")
    assert await tell(shop) == before


@pytest.mark.parametrize("seconds", [-60, 0])
async def test_snapshot_that_is_not_newer_than_our_row_is_left(shop: Shop, seconds: int) -> None:
    sub_id = f"sub_{await shop.buy()}"
    before = await tell(shop)
    shop.provider.renew(sub_id)
    snapshot = shop.provider.subscriptions[sub_id]

    result = await shop.applier.apply_snapshot(
        snapshot, shop.clock() + timedelta(seconds=seconds), CAUSE
    )

    assert result.applied is Applied.STALE
    assert await tell(shop) == before


async def test_snapshot_of_a_first_purchase_opens_nothing_before_its_payment_was_read(
    shop: Shop,
) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)
    shop.provider.is_down = True

    await shop.applier.apply_snapshot(
        shop.provider.subscriptions[f"sub_{session_id}"], shop.clock(), CAUSE
    )

    assert await shop.outcome() is Outcome.PAY
    shop.provider.is_down = False
    await shop.see(f"subscription:sub_{session_id}")
    assert await shop.outcome() is Outcome.ALLOW


# In any order, and at once


async def test_history_told_in_any_order_ends_the_same(shop: Shop) -> None:
    sub = await shop.buy()
    order = await shop.buy("lifetime")
    shop.clock.move(days=30)
    renewal = shop.provider.renew(f"sub_{sub}")
    shop.clock.move(days=1)
    shop.provider.give_back(renewal, 100)
    shop.provider.dispute(f"pay_{order}", DisputeState.OPEN)
    await shop.provider.cancel_at_period_end(f"sub_{sub}", key="k")
    events = [
        f"subscription:sub_{sub}",
        f"payment:{renewal}",
        f"payment:pi_pay_sub_{sub}_{shop.clock() - timedelta(days=1):%Y%m%d}",
        f"payment:pi_{order}",
        f"checkout:{order}",
    ]
    ends = []
    async with shop.database.connection() as connection:
        await connection.execute(KEEP)
        for permutation in itertools.permutations(events):
            await connection.execute(RESTORE)
            for ref in permutation:
                await shop.see(ref)
            ends.append(await tell(shop))

    assert len(ends) == 120
    assert all(end == ends[0] for end in ends)
    grants = {row[0]: row for row in ends[0]["grants"]}
    assert grants[order][6] == shop.clock()
    assert grants[f"si_{sub}"][4] == "canceling"


async def test_who_derives_waits_for_whoever_is_changing_the_clients_facts(shop: Shop) -> None:
    session_id = await shop.buy()
    shop.clock.move(days=1)
    # Postgres shows the same sessions throughout a transaction: another connection watches.
    async with shop.database.connection() as watch, shop.database.transaction() as other:
        await lock_client(other, shop.client_id)
        await other.execute("update payments set taken_back_at = $1", shop.clock())
        seeing = asyncio.create_task(shop.see(f"subscription:sub_{session_id}"))
        while not seeing.done() and not await watch.fetchval(WAITS, "transactionid"):
            pass
        waited = not seeing.done()
    await seeing

    assert waited
    assert await shop.outcome() is Outcome.PAY


async def test_answer_that_took_long_never_replaces_a_newer_one(shop: Shop) -> None:
    sub_id = f"sub_{await shop.buy()}"
    answered = shop.provider.held_back = asyncio.Event()
    asked = len(shop.provider.calls)
    slow = asyncio.create_task(shop.see(f"subscription:{sub_id}"))
    async with shop.database.connection() as connection:
        while len(shop.provider.calls) == asked:
            await connection.fetchval("select 1")
        shop.provider.end(sub_id)
        fast = asyncio.create_task(shop.see(f"subscription:{sub_id}"))
        while not fast.done() and not await connection.fetchval(WAITS, "advisory"):
            pass
        answered.set()
        await asyncio.gather(slow, fast)

        assert await connection.fetchval("select status from subscriptions") == "ended"


@pytest.mark.parametrize(
    ("ref", "table"),
    [
        ("subscription:sub_", "subscriptions"),
        ("payment:pay_", "payments"),
        ("checkout:", "checkout_intents"),
    ],
)
async def test_look_that_comes_after_a_later_one_is_left(shop: Shop, ref: str, table: str) -> None:
    session_id = await shop.buy()
    async with shop.database.connection() as connection:
        await connection.execute(f"update {table} set observed_seq = 1000000")
    before = await tell(shop)
    shop.provider.end(f"sub_{session_id}")
    shop.provider.give_back(f"pay_{session_id}")
    shop.provider.settle(session_id, is_paid=False)

    look = ObjectRef(ObjectKind(ref.partition(":")[0]), f"{ref.partition(':')[2]}{session_id}")
    result = await shop.applier.apply(look, CAUSE)

    assert result.applied is Applied.STALE
    after = await tell(shop)
    name = {"checkout_intents": "checkouts"}.get(table, table)
    assert after[name] == before[name]


async def test_two_who_apply_different_objects_of_a_client_at_once_end_as_one_who_did_both(
    shop: Shop,
) -> None:
    sub, order = await shop.open_checkout(), await shop.open_checkout("lifetime")
    shop.provider.pay(sub)
    shop.provider.pay(order)
    refs = [
        f"subscription:sub_{sub}",
        f"payment:pay_{sub}",
        f"checkout:{sub}",
        f"payment:pay_{order}",
        f"checkout:{order}",
    ]

    results = await asyncio.gather(*(shop.see(ref) for ref in refs * 3), return_exceptions=True)

    broken = [r for r in results if isinstance(r, BaseException)]
    assert all(isinstance(error, UnavailableError) for error in broken)
    at_once = await tell(shop)
    for ref in refs:
        await shop.see(ref)
    assert await tell(shop) == at_once
    assert {row[0] for row in at_once["grants"]} == {f"si_{sub}", order}


async def test_what_the_provider_said_is_kept_sealed(shop: Shop) -> None:
    session_id = await shop.buy()

    async with shop.database.connection() as connection:
        sealed = await connection.fetchval("select raw_enc from subscriptions")

    place = f"subscriptions.raw_enc.memory:sub_{session_id}"
    assert b"{}" not in sealed
    assert RING.open(sealed, place) == b"{}"


async def test_what_the_provider_says_of_an_erased_client_is_not_written_down_again(
    shop: Shop,
) -> None:
    session_id = await shop.buy()
    shop.provider.end(f"sub_{session_id}")
    await shop.see(f"subscription:sub_{session_id}")
    async with shop.database.transaction() as connection:
        await erase_client(connection, shop.client_id, Cause(Source.ADMIN, "test"), shop.clock())

    await shop.see(f"subscription:sub_{session_id}")

    async with shop.database.connection() as connection:
        assert await connection.fetchval("select raw_enc from subscriptions") is None
