"""The numbers of the control process: few labels, and no scrape that waits for the database."""

import asyncio

from billing.facts import ObjectKind
from billing.metrics import Alarm, CallOutcome, Receipt, Settlement
from billing.storage.pool import Database
from gateway.metrics import Metrics
from gateway.reports import Report, Told
from policies.decision import Reason
from tests.support.keys import RING


async def numbers(metrics: Metrics, database: Database) -> dict[str, float]:
    lines = (await metrics.render(database)).decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs if "_created" not in name}


async def test_what_billing_counts_is_shown(database: Database) -> None:
    metrics = Metrics()
    metrics.received(Receipt.REFUSED)
    metrics.settled(Settlement.DONE, 3)
    metrics.applied(ObjectKind.SUBSCRIPTION, 0.02)
    metrics.drifted("subscription.status")
    metrics.lagged()
    metrics.missed()
    metrics.other_version()
    metrics.alarmed(Alarm.SUBSCRIPTION_OVERLAP)
    metrics.called(CallOutcome.ANSWERED, is_shut_out=False)
    metrics.called(CallOutcome.FAILED, is_shut_out=True)

    shown = await numbers(metrics, database)

    assert shown['tollway_webhooks_total{receipt="refused"}'] == 1
    assert shown['tollway_events_total{outcome="done"}'] == 3
    assert shown['tollway_apply_seconds_bucket{kind="subscription",le="0.025"}'] == 1
    assert shown['tollway_drift_total{field="subscription.status"}'] == 1
    assert shown["tollway_lag_total"] == 1
    assert shown["tollway_events_missed_total"] == 1
    assert shown["tollway_events_other_version_total"] == 1
    assert shown['tollway_alarms_total{alarm="subscription_overlap"}'] == 1
    assert shown['tollway_alarms_total{alarm="unknown_price"}'] == 0
    assert shown['tollway_provider_calls_total{outcome="answered"}'] == 1
    assert shown['tollway_provider_calls_total{outcome="failed"}'] == 1
    assert shown["tollway_provider_shut_out"] == 1


async def test_the_inbox_is_counted_when_it_is_asked_for(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            "insert into psp_inbox (psp, external_id, type, livemode, occurred_at, received_at,"
            " body, headers, next_attempt_at, state) select 'stripe', 'evt_' || n, 'x', false,"
            " now(), now(), '', '{}', now(), case n when 1 then 'dead' when 2 then 'done'"
            " else 'received' end from generate_series(1, 5) n"
        )

    shown = await numbers(Metrics(), database)

    assert shown['tollway_inbox{state="received"}'] == 3
    assert shown['tollway_inbox{state="failed"}'] == 0
    assert shown['tollway_inbox{state="dead"}'] == 1
    assert 'tollway_inbox{state="done"}' not in shown


async def test_without_a_database_the_other_numbers_are_shown(database_url: str) -> None:
    closed = await Database.open(database_url, size=2, ring=RING)
    await closed.close()
    metrics = Metrics()
    metrics.missed()

    shown = await numbers(metrics, closed)

    assert shown["tollway_events_missed_total"] == 1
    assert shown['tollway_inbox{state="dead"}'] != shown['tollway_inbox{state="dead"}']


async def test_names_without_end_are_counted_under_one_label(database: Database) -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.drifted(f"kind{number}")
        metrics.drifted(f"subscription.item si_{number}")

    shown = await numbers(metrics, database)

    assert len([name for name in shown if name.startswith("tollway_drift_total")]) <= 65


async def test_tasks_are_shown_of_this_process_and_of_the_workers(database: Database) -> None:
    told = Told()
    told.report = Report(tasks={"worker-1": 12})

    shown = await numbers(Metrics(told), database)

    assert shown['tollway_tasks{process="worker-1"}'] == 12
    assert shown['tollway_tasks{process="control"}'] == len(asyncio.all_tasks())


async def test_what_was_decided_without_facts_is_shown_with_that_of_workers(
    database: Database,
) -> None:
    told = Told()
    told.report = Report({("notes", Reason.PAID_BUT_REFUSED): 2})
    metrics = Metrics(told)
    for reason in (Reason.LAST_KNOWN_GRANT, Reason.PAID_BUT_REFUSED, Reason.FACTS_UNKNOWN):
        metrics.outages.note("notes", reason)

    shown = await numbers(metrics, database)

    of_outages = {
        name: value
        for name, value in shown.items()
        if name.startswith(("tollway_let_through", "tollway_paid"))
    }
    assert of_outages == {
        'tollway_let_through_unverified_total{app="notes",reason="last_known_grant"}': 1,
        'tollway_paid_but_refused_total{app="notes"}': 3,
    }
