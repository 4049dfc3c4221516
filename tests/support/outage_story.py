"""What clients of every kind go through while something is broken, and afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.support.own_servers import OwnServers
from tests.support.troubled import World, open_world
from tests.support.troubles import Trouble, Troubles

_LONG_S: Final = 86_400.0
# Together they pass every span that means something: what failed is tried again, deaf ears have
# nothing fresh any more, what ends soon has ended, sessions and memory are read anew.
_MOMENTS_S: Final = (1.25, 6.0, 31.0, 61.0)
_SOON_S: Final = 20.0


@asynccontextmanager
async def a_world(folder: Path, run: Path) -> AsyncIterator[World]:
    """Run two processes on servers of their own."""
    servers = await OwnServers.start(folder, run)
    try:
        async with open_world(servers, folder, run) as world:
            yield world
            await Troubles(world).repair()
    finally:
        await servers.stop()


async def admit_all(world: World, number: int) -> None:
    """Let there be clients of every kind, whom every process knows."""
    world.visitors.clear()
    for kind, by in (
        *(("paid", "session"), ("paid-token", "token"), ("never", "token"), ("soon", "session")),
        *(("barred", "token"), ("payer", "session"), ("ender", "session"), ("freed", "token")),
    ):
        name = f"{kind}-{number}"
        await world.admit(name, by)
        if kind not in {"never", "payer"}:
            await world.pay(name, _SOON_S if kind == "soon" else _LONG_S)
        if kind in {"barred", "freed"}:
            await world.bar(name, is_barred=True)
    await world.settle()


async def change_all(world: World, number: int) -> None:
    """Let somebody pay, somebody's time end, one be barred, and one freed."""
    await world.pay(f"payer-{number}", _LONG_S)
    await world.end(f"ender-{number}")
    await world.bar(f"paid-token-{number}", is_barred=True)
    await world.bar(f"freed-{number}", is_barred=False)


async def live_through(troubles: Troubles, trouble: Trouble, number: int) -> None:
    """Break something; every answer is held against the truth until all agree with it again.

    Twice: changes come during the first outage, and a second one begins just after it was mended.
    """
    world = troubles.world
    await admit_all(world, number)
    await troubles.save_valkey(world.processes[0])
    for is_first in (True, False):
        await troubles.begin(trouble, world.processes[0])
        await world.check_all()
        if is_first and troubles.can_commit:
            await change_all(world, number)
            await world.check_all()
        # Whatever it says from now on, it has from others.
        world.crowd_out(world.processes[1])
        for seconds in _MOMENTS_S:
            world.move(seconds)
            await world.check_all()
        await troubles.mend()
    await world.pay(f"never-{number}", _LONG_S)
