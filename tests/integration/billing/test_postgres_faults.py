"""Postgres fails at every point of an apply: nothing is lost, and nothing is done twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import pytest

from billing.errors import UnavailableError
from billing.facts import EventRef, ObjectKind, ObjectRef
from billing.storage.clients import get_or_create_client
from billing.storage.migrate import migrate
from billing.storage.pool import Database
from gateway.embedded.postgres import EmbeddedPostgres
from tests.integration.billing.conftest import Shop, make_shop, make_worker
from tests.support.clock import FakeClock
from tests.support.fate import Fate, When, told_of
from tests.support.keys import RING
from tests.support.locks import until_somebody_waits
from tests.support.picture import Picture, picture_of

# What an apply writes into.
_WRITTEN = (
    "subscriptions",
    "subscription_items",
    "payments",
    "grants",
    "audit",
    "entitlement_versions",
)
# Errors of Postgres that a later try may cure, as it tells them.
_REFUSALS = (
    ("53100", "could not extend file: No space left on device"),
    ("40001", "could not serialize access due to concurrent update"),
    ("57P01", "terminating connection due to administrator command"),
)


@dataclass
class Story:
    """A client's history at the provider, and one event that leads to all of it."""

    shop: Shop
    told: int = 0

    async def begin(self) -> str:
        """Let a new client subscribe, renew, and get some money back; tell of that."""
        self.told += 1
        async with self.shop.database.connection() as connection:
            client_id = await get_or_create_client(connection, f"demo:{self.told}")
        session_id = await replace(self.shop, client_id=client_id).open_checkout()
        provider, clock = self.shop.provider, self.shop.clock
        provider.pay(session_id)
        payment_id = provider.renew(f"sub_{session_id}")
        provider.give_back(payment_id, 1)
        ref = ObjectRef(ObjectKind.PAYMENT, payment_id)
        event = EventRef(f"evt_{self.told}", "some.event", ref, False, None, clock())
        await self.shop.inbox.store(event, b"{}", {}, clock())
        return client_id

    async def work(self) -> None:
        """Process everything that is due, now and after every lease and pause."""
        worker = make_worker(self.shop)
        for _ in range(3):
            while await worker.process_one():
                pass
            self.shop.clock.move(hours=2)


@pytest.fixture
def fate() -> Fate:
    return Fate()


@pytest.fixture
async def database(database_url: str, fate: Fate) -> AsyncIterator[Database]:
    opened = await Database.open(
        database_url, size=8, ring=RING, connection_class=fate.connection_class()
    )
    yield opened
    await opened.close()


@pytest.fixture
async def story(shop: Shop) -> Story:
    return Story(shop)


async def states_of(database: Database) -> set[str]:
    async with database.connection() as connection:
        return {row[0] for row in await connection.fetch("select distinct state from psp_inbox")}


async def outages_of(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("select sum(outages) from psp_inbox"))


async def make_serializable(url: str) -> None:
    """Let every transaction of new connections be serializable, and end the old ones."""
    admin = await asyncpg.connect(url)
    try:
        name = await admin.fetchval("select current_database()")
        await admin.execute(
            f'alter database "{name}" set default_transaction_isolation = serializable'
        )
        await admin.execute(
            # It waits for their end: nobody is lent one that is about to go.
            "select pg_terminate_backend(pid, 20000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    finally:
        await admin.close()


async def undisturbed(story: Story) -> Picture:
    client_id = await story.begin()
    await story.work()
    return await picture_of(story.shop.database, client_id)


@pytest.mark.parametrize("when", When)
async def test_a_connection_cut_at_any_statement_loses_and_repeats_nothing(
    story: Story, fate: Fate, when: When
) -> None:
    began_at = story.shop.clock()
    wanted = await undisturbed(story)
    cut: list[str] = []

    while True:
        # All clients live through the same hours.
        story.shop.clock.now = began_at
        client_id = await story.begin()
        fate.cut(len(cut), when)
        processing = asyncio.create_task(make_worker(story.shop).process_one())
        await fate.struck_or(processing)
        # As if the process had been killed: whatever it would do about it, it does not.
        processing.cancel()
        await asyncio.gather(processing, return_exceptions=True)
        if not fate.has_struck:
            break
        cut.append(fate.statements[len(cut)])
        fate.spare()
        await story.work()

        assert await picture_of(story.shop.database, client_id) == wanted, told_of(cut)[-1]

    fate.spare()
    assert {"BEGIN;", "COMMIT;"} < set(cut)
    assert len(cut) > 20, told_of(cut)
    assert await states_of(story.shop.database) == {"done"}


@pytest.mark.parametrize("table", _WRITTEN)
@pytest.mark.parametrize(("sqlstate", "what"), _REFUSALS)
async def test_a_table_that_cannot_be_written_postpones_and_loses_nothing(
    story: Story, table: str, sqlstate: str, what: str
) -> None:
    began_at = story.shop.clock()
    wanted = await undisturbed(story)
    story.shop.clock.now = began_at
    client_id = await story.begin()
    async with story.shop.database.connection() as connection:
        await connection.execute(
            f"create function refuse() returns trigger language plpgsql as $$ begin"
            f" raise exception '{what}' using errcode = '{sqlstate}'; end $$;"
            f"create trigger refuse before insert or update on {table} execute function refuse()"
        )

    await make_worker(story.shop).process_one()

    before = await picture_of(story.shop.database, client_id)
    waiting = await states_of(story.shop.database)
    async with story.shop.database.connection() as connection:
        await connection.execute("drop function refuse cascade")
    await story.work()
    # What was written whole may stand; a door does not open on half of it.
    assert not before.grants
    assert waiting == {"done", "failed"}
    assert await picture_of(story.shop.database, client_id) == wanted
    assert await states_of(story.shop.database) == {"done"}


async def test_deadlock_ends_one_side_and_the_event_is_applied_later(story: Story) -> None:
    began_at = story.shop.clock()
    wanted = await undisturbed(story)
    story.shop.clock.now = began_at
    client_id = await story.begin()
    psp_sub_id = next(reversed(story.shop.provider.subscriptions))
    lock = f"memory:subscription:{psp_sub_id}"
    async with story.shop.database.connection() as other:
        # It shall be our worker that finds the deadlock: it waits first.
        await other.execute("set deadlock_timeout = '1min'")
        async with other.transaction():
            await other.execute(
                "select 1 from clients where id = $1::text::uuid for update", client_id
            )
            processing = asyncio.create_task(make_worker(story.shop).process_one())
            await until_somebody_waits(other)
            await other.execute("select pg_advisory_lock(hashtextextended($1, 0))", lock)
        await other.execute("select pg_advisory_unlock(hashtextextended($1, 0))", lock)
    await processing

    assert await states_of(story.shop.database) == {"done", "failed"}
    await story.work()
    assert await picture_of(story.shop.database, client_id) == wanted
    assert await states_of(story.shop.database) == {"done"}


async def test_what_cannot_be_serialized_is_tried_again(story: Story, database_url: str) -> None:
    began_at = story.shop.clock()
    wanted = await undisturbed(story)
    await make_serializable(database_url)
    story.shop.clock.now = began_at
    clients = [await story.begin() for _ in range(20)]

    worker = make_worker(story.shop)
    told = await asyncio.gather(*(worker.process_one() for _ in clients), return_exceptions=True)

    refused = sum(isinstance(error, UnavailableError) for error in told)
    assert refused + await outages_of(story.shop.database) > 0
    assert all(isinstance(one, UnavailableError | bool) for one in told)
    await story.work()
    for client_id in clients:
        assert await picture_of(story.shop.database, client_id) == wanted
    assert await states_of(story.shop.database) == {"done"}


async def test_a_server_killed_and_started_again_loses_and_repeats_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    server = EmbeddedPostgres(tmp_path / "data", tmp_path / "run")
    url = await server.start()
    try:
        database = await Database.open(url, size=8, ring=RING)
        await migrate(database)
        story = Story(await make_shop(database, clock))
        began_at = clock()
        wanted = await undisturbed(story)
        clock.now = began_at
        clients = [await story.begin() for _ in range(12)]
        worker = make_worker(story.shop)
        await worker.process_one()

        working = [asyncio.create_task(worker.process_one()) for _ in clients]
        os.kill(server.pid, signal.SIGKILL)
        await server.stop()
        # Whoever has a claim already says what came of it until the server hears it.
        await server.start()
        told = await asyncio.gather(*working, return_exceptions=True)

        assert any(isinstance(error, UnavailableError) for error in told)
        await story.work()

        for client_id in clients:
            assert await picture_of(database, client_id) == wanted
        assert await states_of(database) == {"done"}
        await database.close()
    finally:
        await server.stop()
