"""One commit for all events that come while the one before is under way.

A commit waits for the disk, and costs a round trip, however many rows it has. Nobody waits for
company: who comes alone is written at once. Each caller hears of its own event, and only once
that is committed.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from billing.errors import UnavailableError
from billing.storage.arrivals import Arrival, Insertion

_log = structlog.get_logger("billing.webhooks")

Write = Callable[[Sequence[Arrival]], Awaitable[list[Insertion]]]
"""Inserts all of them or, when it raises, none."""

# What a statement carries, and a failure is shared by: more would save next to nothing.
_TOGETHER: Final = 64
# What two workers may send at a time. Their bodies are in memory, and who comes on top of so
# many would wait for a third of a second at best.
_WAITING: Final = 512
# What one statement may take; a provider waits longer than that for its answer.
_PATIENCE_S: Final = 10.0


class GroupCommit:
    """Writes arrivals together; `written` is called after each commit with what came of it."""

    def __init__(
        self,
        write: Write,
        written: Callable[[Sequence[Insertion]], Awaitable[None]],
        *,
        together: int = _TOGETHER,
        waiting: int = _WAITING,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._write = write
        self._written = written
        self._together = together
        self._most_waiting = waiting
        self._patience_s = patience_s
        self._waiting: deque[tuple[Arrival, asyncio.Future[Insertion]]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def add(self, arrival: Arrival) -> Insertion:
        """Return what became of the arrival, once it is committed.

        Cancelled, it harms no other; whether its own event was stored is then not known.

        Raises:
            UnavailableError: too many wait, it took too long, or the database is away.
        """
        if len(self._waiting) >= self._most_waiting:
            raise UnavailableError("too many events wait to be stored")
        told: asyncio.Future[Insertion] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, told))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="inbox writer")
        try:
            async with asyncio.timeout(self._patience_s):
                return await told
        except TimeoutError as error:
            raise UnavailableError("an event was not stored in time") from error

    async def _write_all(self) -> None:
        while self._waiting:
            most = min(self._together, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(most)]
            # Who gave up has told the sender to try again.
            batch = [each for each in batch if not each[1].done()]
            if batch:
                await self._write_batch(batch)

    async def _write_batch(self, batch: list[tuple[Arrival, asyncio.Future[Insertion]]]) -> None:
        try:
            insertions = await self._write([arrival for arrival, _ in batch])
        except UnavailableError as error:
            for _, told in batch:
                _fail(told, UnavailableError(str(error)))
        except Exception as error:  # noqa: BLE001 - its caller's, and nobody else's
            if len(batch) == 1:
                _fail(batch[0][1], error)
                return
            # One of them cannot be written; the others must not suffer for it.
            for each in batch:
                await self._write_batch([each])
        else:
            for (_, told), insertion in zip(batch, insertions, strict=True):
                if not told.done():
                    told.set_result(insertion)
            await self._tell(insertions)

    async def _tell(self, insertions: Sequence[Insertion]) -> None:
        try:
            await self._written(insertions)
        except Exception:  # noqa: BLE001 - the top of a task: the next batch must be written
            _log.exception("inbox_notice_failed")


def _fail(told: asyncio.Future[Insertion], error: Exception) -> None:
    if not told.done():
        told.set_exception(error)
