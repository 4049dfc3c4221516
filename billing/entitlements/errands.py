"""What is done beside a request and nobody waits for; bounded, and left out past the bound."""

import asyncio
from collections.abc import Coroutine


class Errands:
    """At most `most` under way. They must not raise."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, errand: Coroutine[None, None, None], name: str) -> None:
        """Begin the errand, unless too many are under way."""
        if len(self._tasks) >= self._most:
            errand.close()
            return
        task = asyncio.create_task(errand, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Return once all that are under way now have ended."""
        if self._tasks:
            await asyncio.wait(self._tasks)
