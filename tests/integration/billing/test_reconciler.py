"""The reconciler: what no event told is found, mended, and written down; what is told is not."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from billing.facts import ObjectKind, ObjectRef, ProviderItem
from billing.metrics import NoMeter
from billing.model import Cause, Source
from billing.reconcile.check import Checker
from billing.reconcile.missed import MissedEvents
from billing.reconcile.reconciler import Reconciler, ReconcileSettings, Tick
from billing.storage.due import Account, mark_checked
from policies.decision import Outcome
from policies.model import SubscriptionStatus
from tests.integration.billing.conftest import Shop, make_worker
from tests.support.inbox import make_event, states_of

ACCOUNT = Account("memory", livemode=False)


@dataclass
class Counts(NoMeter):
    """Keeps what was counted of differences."""

    drift: list[str] = field(default_factory=list)
    lags: int = 0
    misses: int = 0

    def drifted(self, field: str) -> None:
        self.drift.append(field)

    def lagged(self) -> None:
        self.lags += 1

    def missed(self) -> None:
        self.misses += 1


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def reconciler(shop: Shop, counts: Counts) -> Reconciler:
    return make_reconciler(shop, counts)


def make_reconciler(shop: Shop, counts: Counts, *, tick_s: float = 60.0) -> Reconciler:
    async def no_wait(_seconds: float) -> None:
        pass

    database, clock, provider = shop.database, shop.clock, shop.provider
    return Reconciler(
        database,
        ACCOUNT,
        Checker(database, shop.applier, provider, clock, clock, counts),
        MissedEvents(database, shop.inbox, provider, clock, clock, counts),
        clock,
        clock,
        ReconcileSettings(tick_s=tick_s, reads_per_second=5, share_days=1),
        sleep=no_wait,
    )


async def drift_of(shop: Shop) -> list[Mapping[str, Any]]:
    async with shop.database.connection() as connection:
        return [dict(row) for row in await connection.fetch("select * from drift order by id")]


async def ticked(reconciler: Reconciler) -> Tick:
    tick = await reconciler.tick()
    assert tick is not None
    return tick


async def buy_and_settle(shop: Shop) -> str:
    """Buy, and return the subscription, with nothing left to find."""
    session_id = await shop.buy()
    shop.clock.move(minutes=5)
    return f"sub_{session_id}"


async def test_where_nothing_differs_nothing_is_written(
    shop: Shop, reconciler: Reconciler, counts: Counts
) -> None:
    await buy_and_settle(shop)

    tick = await ticked(reconciler)

    assert tick.read > 0
    assert (tick.drifted, counts.drift, await drift_of(shop)) == (0, [], [])


async def test_a_subscription_that_ended_unseen_is_found_and_ended(
    shop: Shop, reconciler: Reconciler, counts: Counts
) -> None:
    sub_id = await buy_and_settle(shop)
    shop.provider.end(sub_id)

    await ticked(reconciler)

    assert await shop.outcome() is Outcome.PAY
    assert "subscription.status" in counts.drift
    rows = {row["field"]: row for row in await drift_of(shop)}
    assert rows[f"subscription {sub_id} status"]["before"] == "active"
    assert rows[f"subscription {sub_id} status"]["after"] == "ended"
    assert str(rows[f"subscription {sub_id} status"]["client_id"]) == shop.client_id


async def test_a_renewal_that_was_never_told_keeps_the_door_open(
    shop: Shop, reconciler: Reconciler
) -> None:
    sub_id = await buy_and_settle(shop)
    shop.clock.move(days=31)
    shop.provider.renew(sub_id)
    lapsed = await shop.outcome()

    await ticked(reconciler)

    assert (lapsed, await shop.outcome()) == (Outcome.PAY, Outcome.ALLOW)


async def test_a_refund_that_was_never_told_is_found(
    shop: Shop, reconciler: Reconciler, counts: Counts
) -> None:
    await buy_and_settle(shop)
    shop.provider.give_back(next(iter(shop.provider.payments)))

    await ticked(reconciler)

    assert "payment.refunded_minor" in counts.drift
    assert await shop.outcome() is Outcome.PAY


async def test_a_subscription_that_we_do_not_know_of_a_customer_that_we_do_is_found(
    shop: Shop, reconciler: Reconciler
) -> None:
    await buy_and_settle(shop)
    now = shop.clock()
    item = ProviderItem("si_new", "price_team_1", 1, now, now + timedelta(days=30))
    customer = f"cus_{shop.client_id}"
    shop.provider.start("sub_new", item, customer=customer, client_ref=None)
    session_id = next(iter(shop.provider.checkouts))
    paid = shop.provider.payments[f"pay_{session_id}"]
    shop.provider.payments["pay_new"] = replace(
        paid, psp_payment_id="pay_new", psp_sub_id="sub_new", psp_intent_id="pi_new"
    )
    shop.provider.bill("pay_new", item)
    shop.provider.subscriptions["sub_new"] = replace(
        shop.provider.subscriptions["sub_new"], psp_payment_id="pay_new"
    )

    await ticked(reconciler)

    assert await shop.outcome("wiki") is Outcome.ALLOW
    assert {row["found_by"] for row in await drift_of(shop)} == {"customer"}


async def test_a_checkout_that_ended_unseen_is_closed(shop: Shop, reconciler: Reconciler) -> None:
    session_id = await shop.open_checkout()
    await shop.provider.expire_checkout(session_id)
    shop.clock.move(hours=25)

    await ticked(reconciler)

    async with shop.database.connection() as connection:
        states = await connection.fetch("select state from checkout_intents")
    assert [row["state"] for row in states] == ["expired"]
    assert {row["found_by"] for row in await drift_of(shop)} <= {"checkout"}


async def test_what_an_event_on_its_way_explains_is_lag_and_no_drift(
    shop: Shop, reconciler: Reconciler, counts: Counts
) -> None:
    sub_id = await buy_and_settle(shop)
    shop.provider.end(sub_id)
    event = make_event(1, sub_id, provider=shop.provider)
    await shop.inbox.store(event, b"{}", {}, shop.clock())

    await ticked(reconciler)

    assert counts.lags > 0
    assert (counts.drift, await drift_of(shop)) == ([], [])


async def test_an_event_that_was_never_delivered_is_applied(
    shop: Shop, reconciler: Reconciler, counts: Counts
) -> None:
    sub_id = await buy_and_settle(shop)
    shop.provider.end(sub_id)
    shop.provider.events.append(make_event(1, sub_id, provider=shop.provider))
    shop.clock.move(minutes=3)

    tick = await ticked(reconciler)
    await make_worker(shop).process_one()

    assert (tick.missed, counts.misses) == (1, 1)
    assert await states_of(shop.database) == ["done"]
    assert await shop.outcome() is Outcome.PAY


async def test_an_event_that_may_still_be_delivered_is_not_missed_yet(
    shop: Shop, reconciler: Reconciler
) -> None:
    shop.provider.events.append(make_event(1, provider=shop.provider))

    early = await ticked(reconciler)
    shop.clock.move(minutes=3)
    late = await ticked(reconciler)
    again = await ticked(reconciler)

    assert (early.missed, late.missed, again.missed) == (0, 1, 0)


async def test_an_event_that_came_in_its_other_form_is_not_missed(
    shop: Shop, reconciler: Reconciler
) -> None:
    thin = make_event(2, provider=shop.provider, twin="evt_1")
    await shop.inbox.store(thin, b"{}", {}, shop.clock())
    shop.provider.events.append(make_event(1, provider=shop.provider))
    shop.clock.move(minutes=3)

    tick = await ticked(reconciler)

    assert tick.missed == 0


async def test_a_cursor_that_the_provider_has_forgotten_loses_nothing(
    shop: Shop, reconciler: Reconciler
) -> None:
    shop.provider.events += [make_event(n, f"sub_{n}", provider=shop.provider) for n in (1, 2)]
    shop.clock.move(minutes=3)
    await ticked(reconciler)
    shop.clock.move(days=20)
    shop.provider.events[:] = [make_event(3, "sub_3", provider=shop.provider)]
    shop.clock.move(minutes=3)

    tick = await ticked(reconciler)

    assert tick.missed == 1


async def test_everything_is_read_within_a_day_and_no_more_than_is_due(
    shop: Shop, counts: Counts
) -> None:
    session_id = await shop.buy()
    item = shop.provider.subscriptions[f"sub_{session_id}"].items[0]
    for number in range(40):
        name = f"sub_{number}"
        one = replace(item, psp_item_id=f"si_{number}")
        shop.provider.start(name, one, customer=f"cus_{shop.client_id}", client_ref=shop.client_id)
        ref = ObjectRef(ObjectKind.SUBSCRIPTION, name)
        await shop.applier.apply(ref, Cause(Source.ADMIN, "test"))
    reconciler = make_reconciler(shop, counts, tick_s=7200.0)
    shop.provider.calls.clear()

    ticks = []
    for _ in range(12):
        ticks.append(await ticked(reconciler))
        shop.clock.move(hours=2)

    async with shop.database.connection() as connection:
        unread = await connection.fetchval(
            "select count(*) from subscriptions where checked_at is null"
        )
    assert unread == 0
    assert all(tick.read <= 8 for tick in ticks)


async def test_an_unverified_subscription_is_verified_first_and_that_is_no_drift(
    shop: Shop, reconciler: Reconciler, counts: Counts
) -> None:
    sub_id = await buy_and_settle(shop)
    shop.clock.move(days=31)
    later = shop.clock() + timedelta(days=30)
    shop.provider.change(sub_id, status=SubscriptionStatus.ACTIVE, period_end=later)
    await shop.applier.apply_snapshot(
        shop.provider.subscriptions[sub_id], shop.clock(), Cause(Source.WEBHOOK, "psp:memory")
    )

    await ticked(reconciler)

    async with shop.database.connection() as connection:
        verified = await connection.fetchval("select verified from subscriptions")
    assert verified
    assert counts.drift == []


async def test_an_object_that_its_provider_does_not_know_is_told_once(
    shop: Shop, reconciler: Reconciler, counts: Counts
) -> None:
    sub_id = await buy_and_settle(shop)
    del shop.provider.subscriptions[sub_id]

    await ticked(reconciler)
    await ticked(reconciler)

    assert counts.drift.count("subscription.missing") == 1


async def test_an_object_that_cannot_be_read_does_not_hold_up_the_others(
    shop: Shop, reconciler: Reconciler
) -> None:
    await buy_and_settle(shop)
    shop.provider.is_garbled = True

    tick = await ticked(reconciler)

    assert tick.read > 1


async def test_of_two_reconcilers_one_works(shop: Shop, counts: Counts) -> None:
    await shop.buy()
    first, second = make_reconciler(shop, counts), make_reconciler(shop, counts)
    others = []

    async def meanwhile(_seconds: float) -> None:
        others.append(await second.tick())

    first._sleep = meanwhile

    tick = await first.tick()
    afterwards = await second.tick()

    assert tick is not None
    assert others
    assert set(others) == {None}
    assert afterwards is not None


async def test_a_lease_ends_with_who_died(shop: Shop, counts: Counts) -> None:
    dead, other = make_reconciler(shop, counts), make_reconciler(shop, counts)
    await dead._has_lease()

    at_once = await other.tick()
    shop.clock.move(minutes=3)
    later = await other.tick()

    assert at_once is None
    assert later is not None


@pytest.mark.parametrize("kind", list(ObjectKind))
async def test_every_kind_of_object_can_be_marked_as_read(shop: Shop, kind: ObjectKind) -> None:
    async with shop.database.transaction() as connection:
        await mark_checked(connection, ACCOUNT, ObjectRef(kind, "none"), shop.clock())
