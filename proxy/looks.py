"""What is to be read anew for open streams: each client once, and only so many at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Flag, auto

import structlog

_log = structlog.get_logger("proxy")


class Look(Flag):
    """What is to be read; `PROVIDER` is the facts, after the payment provider was asked."""

    FACTS = auto()
    PROVIDER = auto()
    WHO = auto()


class Looks:
    """Looks at clients, `at_once` of them; more wait, and what is wanted twice is done once.

    `on_failed` hears of what could not be done because of a mistake of ours.
    """

    def __init__(
        self,
        look: Callable[[str, Look], Awaitable[None]],
        on_failed: Callable[[str, Look], None],
        *,
        at_once: int,
    ) -> None:
        self._look = look
        self._on_failed = on_failed
        self._at_once = at_once
        self._wanted: dict[str, Look] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def want(self, client_id: str, look: Look) -> None:
        """Have a client looked at soon."""
        self._wanted[client_id] = self._wanted.get(client_id, Look(0)) | look
        if len(self._tasks) < self._at_once:
            task = asyncio.get_running_loop().create_task(self._run(), name="streams")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Look at nothing more."""
        self._wanted.clear()
        for task in self._tasks:
            task.cancel()

    async def _run(self) -> None:
        while self._wanted:
            client_id = next(iter(self._wanted))
            look = self._wanted.pop(client_id)
            try:
                await self._look(client_id, look)
            except Exception:  # noqa: BLE001 - the top of a task's loop, as told below
                # A mistake about one client must leave nobody else's streams open.
                _log.exception("stream_look_failed", client_id=client_id)
                self._on_failed(client_id, look)
