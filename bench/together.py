"""Starts several stacks at once, keeps them while entered, and stops them at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bench.errors import BenchError
from bench.result import Missing
from bench.site import Site
from bench.stacks.stack import Listening, Stack


@asynccontextmanager
async def all_running(
    site: Site, stacks: Sequence[Stack]
) -> AsyncIterator[list[tuple[Stack, Listening | Missing]]]:
    """Run every stack that can run here; one that cannot is `Missing` with its reason.

    Raises:
        BenchError: whatever is raised while entered.
    """
    loop = asyncio.get_running_loop()
    ready: list[asyncio.Future[Listening | Missing]] = [loop.create_future() for _ in stacks]
    stop = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            for stack, told in zip(stacks, ready, strict=True):
                tasks.create_task(_hold(site, stack, told, stop), name=stack.name)
            yield list(zip(stacks, await asyncio.gather(*ready), strict=True))
            stop.set()
    except* BenchError as errors:
        raise errors.exceptions[0] from None


async def _hold(
    site: Site, stack: Stack, told: "asyncio.Future[Listening | Missing]", stop: asyncio.Event
) -> None:
    why = stack.find_missing()
    try:
        if why is None:
            async with stack.run(site) as where:
                told.set_result(where)
                await stop.wait()
    except BenchError as error:
        # A peer that does not start here is no reason to measure none.
        why = str(error)
    if not told.done():
        told.set_result(Missing(name=stack.name, title=stack.title, why=why or "it stopped"))
