"""Notices come twice, late, in any order, or by one way alone: no version comes back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.trouble.link import Way
from tests.support.outage_story import a_world
from tests.support.troubled import World
from tests.support.troubles import Troubles

DAY_S = 86_400.0


@pytest.fixture
async def world(tmp_path: Path, run: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, run) as made:
        await made.admit("ann", "session")
        for _ in range(3):
            await made.pay("ann", DAY_S)
        yield made


async def test_notices_that_come_twice_or_late_take_nobody_back(world: World) -> None:
    for version in (3, 3, 1, 2, 3, 2, 1, 0, 3):
        await world.notify("ann", version)
        await world.check_all()
    # Told of at last, so that all before it have come.
    await world.bar("ann", is_barred=True)

    assert [await world.check(process, "ann") for process in world.processes] == [403, 403]
    assert [process.held(world.ids["ann"]) for process in world.processes] == [4, 4]


async def test_read_that_a_notice_overtakes_is_not_kept(world: World) -> None:
    slow = world.processes[0]
    heard = asyncio.Event()
    slow.stores.reader.subscribe(lambda _: heard.set())
    await Troubles(world).flush_valkey(slow)
    world.crowd_out(slow)
    world.unwell.add(slow.name)
    slow.ways.postgres.silence(Way.BACK)

    asking = asyncio.create_task(world.check(slow, "ann"))
    await world.servers.until_read()
    await world.bar("ann", is_barred=True)
    await heard.wait()
    slow.ways.postgres.mend()
    await asking

    world.move()
    world.unwell.clear()
    await world.check_all()


async def test_who_fills_valkey_with_what_is_old_takes_nobody_back(world: World) -> None:
    for process in world.processes:
        old = await process.stores.shared.find(world.ids["ann"])
        await world.bar("ann", is_barred=not world.truth.newest("ann").is_barred)
        if old is not None:
            await process.stores.shared.put(old.snapshot, old.as_of)
        world.crowd_out(process)

        await world.check_all()

    assert old is not None


async def test_who_lost_the_way_of_notices_hears_by_valkey(world: World) -> None:
    deaf, other = world.processes
    world.unwell.add(deaf.name)
    await deaf.ways.notices.cut()

    await world.bar("ann", is_barred=True)

    # No time passes: nothing but Valkey can have told it.
    await world.until_agrees(deaf, "ann", is_time_standing=True)
    assert await world.check(other, "ann") == 403
    await Troubles(world).mend()


async def test_who_lost_both_ways_has_nothing_fresh_after_five_seconds(world: World) -> None:
    deaf = world.processes[0]
    world.unwell.add(deaf.name)
    await deaf.ways.notices.cut()
    await deaf.ways.valkey.cut()
    await world.until_deaf(deaf)

    await world.bar("ann", is_barred=True)
    world.move(5.25)

    assert await world.check(deaf, "ann") == 403
    await Troubles(world).mend()


async def test_what_was_missed_is_known_as_soon_as_notices_come_again(world: World) -> None:
    deaf = world.processes[0]
    await world.admit("bea", "token")
    await world.pay("bea", DAY_S)
    world.unwell.add(deaf.name)
    await deaf.ways.notices.cut()
    await deaf.ways.valkey.cut()
    await world.until_deaf(deaf)
    await world.end("ann")

    deaf.ways.notices.mend()
    await world.until_hears(deaf)

    assert await world.check(deaf, "ann") == 402
    # Who was not changed meanwhile is known still.
    assert deaf.stores.reader.find(world.ids["bea"]) is not None
    await Troubles(world).mend()
