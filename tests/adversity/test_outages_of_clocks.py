"""A machine's clock is set back and forward: nobody gets more than was paid for."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.outage_story import a_world
from tests.support.troubled import World
from tests.support.troubles import Troubles

DAY_S = 86_400.0
HOUR_S = 3_600.0


@pytest.fixture
async def world(tmp_path: Path, run: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, run) as made:
        for name, by, seconds in (
            *(("long", "session", DAY_S * 9), ("short", "token", HOUR_S)),
            ("never", "session", 0.0),
        ):
            await made.admit(name, by)
            await made.pay(name, seconds)
        yield made


@pytest.mark.parametrize(
    "steps_s",
    [(-7200,), (7200, -7200), (-1800, 1800, -1800)],
    ids=str,
)
@pytest.mark.parametrize("is_postgres_there", [True, False], ids=["all well", "without postgres"])
async def test_stepped_clock_gives_nobody_more_than_was_paid_for(
    world: World, steps_s: tuple[float, ...], *, is_postgres_there: bool
) -> None:
    stepped = world.processes[0]
    troubles = Troubles(world)
    await world.check_all()
    if not is_postgres_there:
        world.unwell |= {process.name for process in world.processes}
        await troubles.kill_postgres(stepped)
    for step_s in steps_s:
        stepped.off_s += step_s
        await world.check_all()
        # Past a look at facts that are too old, and then past the end of what was paid for.
        for seconds in (61.0, HOUR_S / 2, HOUR_S / 2):
            world.move(seconds)
            await world.check_all()

    ended = [await world.check(process, "short") for process in world.processes]
    went_on = [await world.check(process, "long") for process in world.processes]
    await troubles.mend()

    assert ended == ([402, 402] if is_postgres_there else [503, 503])
    assert went_on == [200, 200]


async def test_process_that_starts_anew_goes_on_with_the_time_of_the_one_before(
    world: World,
) -> None:
    stepped = world.processes[0]
    stepped.off_s -= 2 * HOUR_S
    await world.restart(stepped, writes=True)
    await world.settle()
    world.move(HOUR_S)

    assert await world.check(stepped, "short") == 402
