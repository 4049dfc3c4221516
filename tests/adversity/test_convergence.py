"""Whatever happens at the provider and to its events: in the end our rows say what it says.

Random histories of customers, operators and time at the stand-in for Stripe. After every
step some of its events arrive: twice, late, in any order, in old and thin shapes, or never;
two workers apply them and are killed at any statement, the provider fails now and then, and
what it was asked for is cut off. When all is quiet, subscriptions, payments and grants are
compared with the stand-in's own objects, and the audit log has to tell how they came about.
`TOLLWAY_FUZZ=n` tries n times as many.
"""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from billing.audit.verify import verify
from billing.model import Hosted
from billing.storage.clients import get_or_create_client
from demo.sandbox.bank_accounts import FAILS, SETTLES, BankAccount
from demo.sandbox.cards import RENEWALS_FAIL, RENEWALS_PASS, Card
from demo.sandbox.due import settle_next
from demo.sandbox.knobs import Knobs
from demo.sandbox.purchases import pay_session
from tests.support.fate import When, until_death
from tests.support.our_rows import read_rows, told_by_audit, told_by_rows
from tests.support.post import Post
from tests.support.provider_history import DAYS, ProviderHistory
from tests.support.provider_truth import ProviderTruth
from tests.support.seller import MOST, PLANS, Seller, open_seller
from tests.support.servers import Servers, new_database
from tests.support.tally import TALLY, HistoryTally
from tests.support.wishes import CHANGES, ENDINGS, begin, change, end, give_back

_T = TypeVar("_T")
_FACTOR = int(os.environ.get("TOLLWAY_FUZZ", "1"))
_HISTORIES = 15
# Many times what they need on a quiet machine.
_LIMIT_S = 600
_STEPS = 30
# Rounds of reconciling and working until nothing changes any more.
_MOST_ROUNDS = 8
# The reconciler looks far more often; this long it may be away.
_LONGEST_ABSENCE_DAYS = 25
# What is applied comes to some twenty statements; whoever dies later, lives.
_STATEMENTS = 30
_MEANS: list[Card | BankAccount] = [
    RENEWALS_PASS,
    RENEWALS_PASS,
    RENEWALS_FAIL,
    *(BankAccount("AT", iban[4:9], iban[-4:]) for iban in (SETTLES, FAILS)),
]
_PLANS = st.sampled_from([plan.id for plan in PLANS])
_INDEX = st.integers(0, 3)
_QUANTITY = st.integers(1, MOST)
_APP_OF_PRICE = {plan.psp_price_id: plan.id for plan in PLANS}
# What befalls a wish under way: the provider fails before or after it did it, or we die.
_TROUBLE = st.sampled_from([None, None, None, None, "not done", "not told", *When])


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
        self.tally = world.tally
        self.stack = AsyncExitStack()
        self.seller: Seller = self.run(self._open())
        super().__init__(self.seller.ledger)
        self.marks = {"tollway_client": self.client_id}

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return self.world.runner.run(coroutine)

    async def _open(self) -> Seller:
        url = await self.stack.enter_async_context(new_database(self.world.servers))
        seller = await self.stack.enter_async_context(open_seller(url))
        async with seller.hands[0].database.connection() as connection:
            self.client_id = await get_or_create_client(connection, "demo:ann")
        return seller

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        old_shape=st.booleans(),
        payload=st.sampled_from([None, "thin", "both"]),
    )
    def draw_luck(self, seed: int, payload: Any, *, old_shape: bool) -> None:
        self.luck = Random(seed)  # noqa: S311 - a history has to repeat
        self.post = Post(self.luck, self.tally)
        self.ledger.outbox.set_knobs(Knobs(old_shape=old_shape, payload=payload))

    @rule(
        plan=_PLANS,
        quantity=_QUANTITY,
        means=st.sampled_from(_MEANS),
        returns=st.booleans(),
        trouble=_TROUBLE,
    )
    def buy(
        self, plan: str, quantity: int, means: Card | BankAccount, trouble: Any, *, returns: bool
    ) -> None:
        """Buy through our own checkout; the buyer may never come back to our page."""
        self._try(begin(self.seller, self.client_id, plan, quantity), trouble)
        begun = self.run(begin(self.seller, self.client_id, plan, quantity))
        if not isinstance(begun, Hosted):
            return
        session = next(s for s in self.store.oldest("checkout.session") if s["url"] == begun.url)
        with self.store.transaction():
            pay_session(self.ledger, session, means, "ann@example.org", self.ledger.clock.now_s())
        self.tally.add("purchases")
        if returns:
            self.run(self.seller.checkout.finish(session["id"]))

    @rule(index=_INDEX, wish=st.sampled_from(CHANGES), quantity=_QUANTITY, trouble=_TROUBLE)
    def change(self, index: int, wish: str, quantity: int, trouble: Any) -> None:
        """Ask us for another plan or quantity, as an app does."""
        self._try(change(self.seller, self.client_id, index, wish, quantity), trouble)

    @rule(index=_INDEX, wish=st.sampled_from(ENDINGS), trouble=_TROUBLE)
    def end(self, index: int, wish: str, trouble: Any) -> None:
        """Ask us to cancel or to resume."""
        self._try(end(self.seller, self.client_id, index, wish), trouble)

    @rule(index=_INDEX, amount=st.sampled_from([None, 100]), trouble=_TROUBLE)
    def give_back(self, index: int, amount: int | None, trouble: Any) -> None:
        """Ask us to give money back, as an operator does."""
        self._try(give_back(self.seller, self.client_id, index, amount), trouble)

    @rule(minutes=st.sampled_from([1, 3, 90]))
    def wait(self, minutes: int) -> None:
        """Let leases and pauses end, and look after what was cut off."""
        self.seller.wall.move(minutes=minutes)
        self.run(self.seller.commands.resume())

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

    @rule()
    def look(self) -> None:
        """Compare midway too: what is wrong for a while only is wrong as well."""
        self._judge()

    @invariant()
    def go_on(self) -> None:
        """Let the post come after every step, and somebody work, or die of it."""
        self._settle()
        self.run(self._arrive(self.post.deliver(self.seller.events())))
        one, other = self.seller.hands
        hand = self.luck.choice(self.seller.hands)
        match self.luck.choices(["one", "both", "dies", "fails", "rests"], [3, 4, 2, 1, 2])[0]:
            case "one":
                self.run(hand.work(self.luck.randint(1, 6)))
            case "both":
                self.run(_together(one.work(6), other.work(6)))
            case "dies":
                statement, when = self.luck.randrange(_STATEMENTS), self.luck.choice([*When])
                if self.run(until_death(hand.fate, hand.worker.process_one(), statement, when)):
                    self.tally.add("deaths of workers")
            case "fails":
                self.seller.faults.add(json.dumps({"kind": "error", "count": 3}))
                self.run(hand.work(3))
                self.seller.faults.clear()
            case _:
                self.seller.wall.move(minutes=2)

    def _try(self, wish: Coroutine[Any, Any, object], trouble: Any) -> None:
        """Let something be asked for, which may be cut off on either side."""
        hand = self.seller.hands[0]
        if isinstance(trouble, When):
            statement = self.luck.randrange(_STATEMENTS)
            if self.run(until_death(hand.fate, wish, statement, trouble)):
                self.tally.add("wishes cut off")
            return
        if trouble is not None:
            when = "before" if trouble == "not done" else "after"
            fault = {"kind": "cut", "when": when, "method": self.luck.choice([None, "POST"])}
            self.seller.faults.add(json.dumps(fault))
        self.run(wish)
        if trouble is not None and not self.seller.faults.coming():
            self.tally.add("wishes cut off")
        self.seller.faults.clear()

    def teardown(self) -> None:
        try:
            if hasattr(self, "luck"):
                self.tally.add("audit rows", self._judge())
                self.tally.add("histories")
        finally:
            self.run(self.stack.aclose())
            self.store.close()

    def _judge(self) -> int:
        """Let all come to rest, compare, and return how many audit rows there are."""
        self.run(self._come_to_rest())
        self.tally.add("comparisons")
        return self.run(self._compare())

    def _settle(self) -> None:
        while settle_next(self.ledger, self.ledger.clock.now_s()):
            pass

    async def _arrive(self, bodies: list[bytes]) -> None:
        for body in bodies:
            assert await self.seller.post(body) == 200

    async def _come_to_rest(self) -> None:
        """Reconcile and work until nothing differs; what was lost stays lost."""
        self.seller.wall.move(minutes=5)
        for _ in range(_MOST_ROUNDS):
            self._settle()
            resumed = await self.seller.commands.resume()
            tick = await self.seller.reconciler.tick()
            await self.seller.reconciler.tick()
            worked = await self.seller.hands[0].work(1000)
            self.seller.wall.move(minutes=90)
            self._settle()
            is_quiet = tick is not None and not tick.drifted and not tick.missed
            if is_quiet and not worked and not resumed:
                return
        raise AssertionError(f"still {tick} and {worked} events after {_MOST_ROUNDS} rounds")

    async def _compare(self) -> int:
        now_s = self.ledger.clock.now_s()
        truth = ProviderTruth(self.store, now_s)
        database = self.seller.hands[0].database
        async with database.connection() as connection:
            ours = await read_rows(connection, self.client_id, datetime.fromtimestamp(now_s, UTC))
            assert await told_by_audit(connection, self.client_id) == await told_by_rows(
                connection, self.client_id
            )
            waiting = await connection.fetchval(
                "select (select count(*) from psp_inbox where state not in ('done', 'ignored'))"
                " + (select count(*) from provider_commands where state = 'pending')"
            )
        assert ours.subscriptions == truth.subscriptions()
        assert ours.payments == truth.payments()
        assert ours.open == _apps(truth.open_items().items()) | {
            (session, "once") for session in truth.open_orders()
        }
        assert _apps(truth.surely_open()) <= ours.open
        assert not _apps(truth.surely_shut()) & ours.open
        assert waiting == 0
        verdict = await verify(database, {})
        assert not verdict.faults
        return verdict.rows


def _apps(priced: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(item, _APP_OF_PRICE[price]) for item, price in priced}


async def _together(*working: Coroutine[Any, Any, object]) -> None:
    await asyncio.gather(*working)


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
