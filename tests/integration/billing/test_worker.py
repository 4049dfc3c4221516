"""The worker: several objects at once, in several workers, whatever one of them does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from billing.webhooks.worker import InboxWorker
from tests.integration.billing.conftest import Shop, make_worker
from tests.support.inbox import make_event, states_of
from tests.support.leaks import until

LIMIT_S = 20.0


async def store(shop: Shop, *object_ids: str, first: int = 1) -> None:
    for number, object_id in enumerate(object_ids, first):
        event = make_event(number, object_id, provider=shop.provider)
        await shop.inbox.store(event, b"{}", {}, shop.clock())


@asynccontextmanager
async def running(*workers: InboxWorker) -> AsyncIterator[None]:
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(worker.run())
        yield
        for worker in workers:
            worker.retire()


async def settled(shop: Shop, number: int | None = None) -> None:
    """Wait until all events are settled, or that many."""

    async def are() -> bool:
        states = await states_of(shop.database)
        return sum(state in {"done", "ignored"} for state in states) == (number or len(states))

    while not await are():  # noqa: ASYNC110 - the database tells nobody of a settled event
        await asyncio.sleep(0)


async def buy(shop: Shop, number: int) -> list[str]:
    """Let the client buy, and return the subscriptions of as many others."""
    session_id = await shop.buy()
    item = shop.provider.subscriptions[f"sub_{session_id}"].items[0]
    names = [f"sub_{place}" for place in range(number)]
    for name in names:
        shop.provider.start(name, item, customer="cus_other", client_ref=None)
    return names


async def test_a_worker_for_no_objects_leaves_events_to_others(shop: Shop) -> None:
    await store(shop, "sub_1")
    idle = make_worker(shop, concurrency=0)

    async with running(idle):
        idle.wake()

    assert await states_of(shop.database) == ["received"]


async def test_objects_are_read_at_once_up_to_the_limit(shop: Shop) -> None:
    names = await buy(shop, 5)
    await store(shop, *names)

    async with running(make_worker(shop, concurrency=3)):
        async with shop.provider.held():
            await until(lambda: len(shop.provider.reading) == 3)
            read = sorted(shop.provider.reading)
        await settled(shop)

    assert read == names[:3]
    assert sorted(shop.provider.reading) == names


async def test_two_workers_read_an_object_for_all_its_events(shop: Shop) -> None:
    names = await buy(shop, 20)
    await store(shop, *names * 5)
    shop.provider.calls.clear()

    async with running(make_worker(shop, concurrency=2), make_worker(shop, concurrency=2)):
        await settled(shop)

    # Two that claim in the same instant may each get some of an object's events.
    assert 20 <= shop.provider.calls.count("fetch_subscription") < 30
    assert len(await states_of(shop.database)) == 100


async def test_one_bad_event_stops_no_other(shop: Shop) -> None:
    names = await buy(shop, 3)
    shop.provider.subscriptions["sub_0"] = None  # type: ignore[assignment] # what nobody foresaw
    await store(shop, *names)

    async with running(make_worker(shop, concurrency=1)):
        await settled(shop, 2)

    assert await states_of(shop.database) == ["failed", "ignored", "ignored"]


async def test_what_a_killed_worker_had_is_done_by_another_after_the_lease(shop: Shop) -> None:
    session_id = await shop.buy()
    await store(shop, f"sub_{session_id}")
    async with shop.provider.held():
        killed = asyncio.create_task(make_worker(shop).run())
        await until(lambda: shop.provider.reading)
        killed.cancel()
        await asyncio.wait((killed,))
    other = make_worker(shop)

    at_once = await other.process_one()
    shop.clock.move(seconds=61)
    later = await other.process_one()

    assert (at_once, later) == (False, True)
    assert await states_of(shop.database) == ["done"]


async def test_a_retired_worker_finishes_what_it_has(shop: Shop) -> None:
    session_id = await shop.buy()
    await store(shop, f"sub_{session_id}")
    worker = make_worker(shop)

    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks, shop.provider.held():
        tasks.create_task(worker.run())
        await until(lambda: shop.provider.reading)
        worker.retire()
        await store(shop, "sub_later", first=2)

    assert await states_of(shop.database) == ["done", "received"]


async def test_a_worker_woken_for_a_new_event_needs_no_look_of_its_own(shop: Shop) -> None:
    session_id = await shop.buy()
    worker = make_worker(shop)

    async with running(worker):
        await asyncio.sleep(0)
        await store(shop, f"sub_{session_id}")
        worker.wake()
        await settled(shop)

    assert await states_of(shop.database) == ["done"]
