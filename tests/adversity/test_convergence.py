"""Whatever happens at the provider and to its events: in the end our rows say what it says.

Random histories of customers, operators and time at the stand-in for Stripe; its events
arrive twice, late, in any order, in old and thin shapes, or never; two workers apply them
and are killed at any statement; the reconciler looks now and then. When all is quiet,
subscriptions, payments and grants are compared with the stand-in's own objects, and the
audit log has to tell how they came about. `TOLLWAY_FUZZ=n` tries n times as many.
"""

import asyncio
import os
import uuid
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from billing.audit.verify import verify
from billing.errors import (
    BillingError,
    NotFoundError,
    NotPossibleError,
    ProviderRefusedError,
)
from billing.model import Cause, Hosted, Source
from billing.storage.clients import get_or_create_client
from demo.sandbox.bank_accounts import FAILS, SETTLES, BankAccount
from demo.sandbox.cards import RENEWALS_FAIL, RENEWALS_PASS, Card
from demo.sandbox.due import settle_next
from demo.sandbox.knobs import Knobs
from demo.sandbox.purchases import pay_session
from tests.support.fate import When
from tests.support.provider_history import DAYS, ProviderHistory
from tests.support.provider_truth import Paid, ProviderTruth
from tests.support.seller import PLANS, Hand, Seller, open_seller
from tests.support.servers import Servers
from tests.support.tally import TALLY, HistoryTally

_T = TypeVar("_T")
_FACTOR = int(os.environ.get("TOLLWAY_FUZZ", "1"))
_HISTORIES = 25
# Many times what they need on a quiet machine.
_LIMIT_S = 600
_STEPS = 40
# Rounds of reconciling and working until nothing changes any more.
_MOST_ROUNDS = 8
# The reconciler looks far more often; this long it may be away.
_LONGEST_ABSENCE_DAYS = 25
_CAUSE = Cause(Source.ADMIN, "test")
_MEANS: list[Card | BankAccount] = [
    RENEWALS_PASS,
    RENEWALS_FAIL,
    *(BankAccount("AT", iban[4:9], iban[-4:]) for iban in (SETTLES, FAILS)),
]
_APP_OF_PRICE = {plan.psp_price_id: plan.id for plan in PLANS}


@dataclass
class World:
    """What all histories share: a loop, and a server that has an empty, migrated database."""

    runner: asyncio.Runner
    servers: Servers
    tally: HistoryTally


class Convergence(ProviderHistory):
    """A history at the provider, and our side of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stack = AsyncExitStack()
        self.name = f"history_{uuid.uuid4().hex}"
        self.seller: Seller = self.run(self._open())
        self.post: list[bytes] = []
        super().__init__(self.seller.ledger)
        self.marks = {"tollway_client": self.client_id}

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return self.world.runner.run(coroutine)

    async def _open(self) -> Seller:
        admin = await asyncpg.connect(self.world.servers.postgres)
        try:
            await admin.execute(
                f'create database "{self.name}" template "{self.world.servers.template}"'
            )
        finally:
            await admin.close()
        seller = await self.stack.enter_async_context(
            open_seller(self.world.servers.url_of(self.name))
        )
        async with seller.hands[0].database.connection() as connection:
            self.client_id = await get_or_create_client(connection, "demo:ann")
        return seller

    @initialize(old_shape=st.booleans(), payload=st.sampled_from([None, "thin", "both"]))
    def choose_shape(self, *, old_shape: bool, payload: Any) -> None:
        self.ledger.outbox.set_knobs(Knobs(old_shape=old_shape, payload=payload))

    @rule(picks=st.lists(st.integers(0, 30), max_size=8))
    def deliver(self, picks: list[int]) -> None:
        """Let some events arrive, in whatever order; one picked twice arrives twice."""
        self._collect()
        arriving = [self.post[n % len(self.post)] for n in picks if self.post]
        self.run(self._arrive(arriving))
        self.post = [body for body in self.post if body not in arriving]
        self.world.tally.add("events delivered", len(arriving))

    @rule(picks=st.lists(st.integers(0, 30), max_size=3))
    def lose(self, picks: list[int]) -> None:
        """Let some events never arrive."""
        self._collect()
        for n in picks:
            if self.post:
                del self.post[n % len(self.post)]
                self.world.tally.add("events lost", 1)

    @rule(
        plan=st.sampled_from([plan.id for plan in PLANS]),
        means=st.sampled_from(_MEANS),
        returns=st.booleans(),
    )
    def buy(self, plan: str, means: Card | BankAccount, *, returns: bool) -> None:
        """Buy through our own checkout; the buyer may never come back to our page."""
        begun = self.run(_begin(self.seller, self.client_id, plan))
        if not isinstance(begun, Hosted):
            return
        session = next(s for s in self.store.oldest("checkout.session") if s["url"] == begun.url)
        with self.store.transaction():
            pay_session(self.ledger, session, means, "ann@example.org", self.ledger.clock.now_s())
        if returns:
            self.run(self.seller.checkout.finish(session["id"]))

    @rule(
        index=st.integers(0, 3),
        wish=st.sampled_from(["cancel", "cancel now", "resume", *(plan.id for plan in PLANS)]),
    )
    def ask(self, index: int, wish: str) -> None:
        """Ask us for a change of a subscription, as an app does."""
        self.run(_ask(self.seller, self.client_id, index, wish))

    @rule(number=st.integers(0, 1), times=st.integers(1, 4))
    def work(self, number: int, times: int) -> None:
        self.run(_work(self.seller.hands[number], times))

    @rule(times=st.integers(1, 4))
    def work_together(self, times: int) -> None:
        one, other = self.seller.hands
        self.run(_gather(_work(one, times), _work(other, times)))

    @rule(number=st.integers(0, 1), statement=st.integers(0, 60), when=st.sampled_from(When))
    def die(self, number: int, statement: int, when: When) -> None:
        """Let a worker die at a statement, as if its process had been killed."""
        if self.run(_work_until_death(self.seller.hands[number], statement, when)):
            self.world.tally.add("deaths", 1)

    @rule(minutes=st.sampled_from([1, 3, 90]))
    def wait(self, minutes: int) -> None:
        """Let leases and pauses end."""
        self.seller.wall.move(minutes=minutes)

    @rule()
    def reconcile(self) -> None:
        self.run(self.seller.reconciler.tick())

    @rule(days=DAYS)
    def let_time_pass(self, days: float) -> None:
        """Let time pass, and look meanwhile: Stripe's list of events goes back for 30 days."""
        while days > 0:
            self.seller.wall.move(minutes=3)
            self.reconcile()
            super().let_time_pass(min(days, _LONGEST_ABSENCE_DAYS))
            days -= _LONGEST_ABSENCE_DAYS

    def teardown(self) -> None:
        try:
            self._collect()
            self.run(self._come_to_rest())
            self.run(self._compare())
            self.world.tally.add("histories", 1)
        finally:
            self.run(self._close())

    def _collect(self) -> None:
        while settle_next(self.ledger, self.ledger.clock.now_s()):
            pass
        self.post += self.seller.events()

    async def _arrive(self, bodies: list[bytes]) -> None:
        for body in bodies:
            assert await self.seller.post(body) == 200

    async def _come_to_rest(self) -> None:
        """Reconcile and work until nothing differs; what was lost stays lost."""
        self.seller.wall.move(minutes=5)
        self._collect()
        for _ in range(_MOST_ROUNDS):
            tick = await self.seller.reconciler.tick()
            await self.seller.reconciler.tick()
            worked = await _work(self.seller.hands[0], 1000)
            self.seller.wall.move(minutes=90)
            while settle_next(self.ledger, self.ledger.clock.now_s()):
                pass
            if tick is not None and not tick.drifted and not tick.missed and not worked:
                return
        raise AssertionError(f"still {tick} and {worked} events after {_MOST_ROUNDS} rounds")

    async def _compare(self) -> None:
        now_s = self.ledger.clock.now_s()
        truth = ProviderTruth(self.store, now_s)
        database = self.seller.hands[0].database
        async with database.connection() as connection:
            ours = await _read(connection, self.client_id, now_s)
            told = await _told_by_audit(connection, self.client_id)
            waiting = await connection.fetchval(
                "select count(*) from psp_inbox where state not in ('done', 'ignored')"
            )
        assert ours.subscriptions == truth.subscriptions()
        assert ours.payments == truth.invoices() | truth.orders()
        wanted = {(item, _APP_OF_PRICE[price]) for item, price in truth.open_items().items()}
        assert ours.open == wanted | {(session, "once") for session in truth.open_orders()}
        assert told == ours.statuses
        assert waiting == 0
        verdict = await verify(database, {})
        assert not verdict.faults
        self.world.tally.add("audit rows", verdict.rows)

    async def _close(self) -> None:
        await self.stack.aclose()
        self.store.close()
        admin = await asyncpg.connect(self.world.servers.postgres)
        try:
            await admin.execute(f'drop database "{self.name}" with (force)')
        finally:
            await admin.close()


@dataclass(frozen=True, slots=True)
class Ours:
    """What our rows say, in the words of `ProviderTruth`."""

    subscriptions: dict[str, tuple[str, frozenset[tuple[str, str, int, int]]]]
    payments: dict[str, Paid]
    open: set[tuple[str, str]]
    statuses: dict[str, str]


async def _read(connection: Any, client_id: str, now_s: int) -> Ours:
    items: dict[str, set[tuple[str, str, int, int]]] = {}
    for row in await connection.fetch(
        "select s.psp_sub_id, i.psp_item_id, i.psp_price_id, i.quantity, i.period_end"
        " from subscription_items i join subscriptions s on s.id = i.subscription_id"
    ):
        end_s = int(row["period_end"].timestamp())
        items.setdefault(row["psp_sub_id"], set()).add(
            (row["psp_item_id"], row["psp_price_id"], row["quantity"], end_s)
        )
    held = await connection.fetch(
        "select psp_sub_id, raw_status, status from subscriptions where client_id = $1::text::uuid",
        client_id,
    )
    paid = await connection.fetch(
        "select psp_payment_id, status, refunded_minor, taken_back_at is not null as is_back"
        " from payments where client_id = $1::text::uuid",
        client_id,
    )
    granted = await connection.fetch(
        "select source_id, app_id from grants where client_id = $1::text::uuid"
        " and from_at <= to_timestamp($2) and revoked_at is null"
        " and (until_at is null or until_at > to_timestamp($2))",
        client_id,
        float(now_s),
    )
    return Ours(
        subscriptions={
            row["psp_sub_id"]: (row["raw_status"], frozenset(items.get(row["psp_sub_id"], ())))
            for row in held
        },
        payments={
            row["psp_payment_id"]: Paid(
                row["status"] if row["status"] in {"paid", "void", "uncollectible"} else "unpaid",
                row["refunded_minor"],
                row["is_back"],
            )
            for row in paid
        },
        open={(row["source_id"], row["app_id"]) for row in granted},
        statuses={row["psp_sub_id"]: row["status"] for row in held},
    )


async def _told_by_audit(connection: Any, client_id: str) -> dict[str, str]:
    """Return the status that the audit log last told of each subscription."""
    told: dict[str, str] = {}
    for row in await connection.fetch(
        "select after from audit where client_id = $1::text::uuid order by seq", client_id
    ):
        for field, value in (row["after"] or {}).items():
            words = str(field).split()
            if len(words) == 3 and (words[0], words[2]) == ("subscription", "status"):
                told[words[1]] = value
    return told


async def _begin(seller: Seller, client_id: str, plan: str) -> object:
    try:
        return await seller.checkout.begin(client_id, plan, return_host="h", return_to="/")
    except BillingError as error:
        return error


async def _ask(seller: Seller, client_id: str, index: int, wish: str) -> None:
    held = await seller.changes.list_views(client_id)
    if not held:
        return
    subscription_id = held[index % len(held)].id
    key = uuid.uuid4().hex
    changes = seller.changes
    try:
        match wish:
            case "cancel" | "cancel now":
                await changes.cancel(
                    client_id,
                    subscription_id,
                    at_period_end=wish == "cancel",
                    cause=_CAUSE,
                    key=key,
                )
            case "resume":
                await changes.resume(client_id, subscription_id, cause=_CAUSE, key=key)
            case _:
                await changes.change(
                    client_id, subscription_id, plan_id=wish, cause=_CAUSE, key=key
                )
    except (ProviderRefusedError, NotPossibleError, NotFoundError):
        pass  # What is refused changes nothing, which is what is looked at in the end.


async def _work(hand: Hand, times: int) -> int:
    worked = 0
    while worked < times and await hand.worker.process_one():
        worked += 1
    return worked


async def _gather(*working: Coroutine[Any, Any, int]) -> None:
    await asyncio.gather(*working)


async def _work_until_death(hand: Hand, statement: int, when: When) -> bool:
    hand.fate.cut(statement, when)
    working = asyncio.create_task(hand.worker.process_one())
    await hand.fate.struck_or(working)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    has_struck = hand.fate.has_struck
    hand.fate.spare()
    return has_struck


@pytest.mark.timeout(_LIMIT_S * _FACTOR)
def test_our_rows_end_as_the_provider_s(
    servers: Servers, record_property: Callable[[str, object], None]
) -> None:
    tally = HistoryTally()
    with asyncio.Runner() as runner:
        world = World(runner, servers, tally)
        run_state_machine_as_test(
            lambda: Convergence(world),  # type: ignore[arg-type] # any callable that makes one will do
            settings=settings(
                max_examples=_HISTORIES * _FACTOR,
                stateful_step_count=_STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    record_property(TALLY, str(tally))
