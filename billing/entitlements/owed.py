"""What the shared cache has still to be told of: every change is, once or several times."""

import asyncio
from collections.abc import Callable
from typing import Final

from billing.entitlements.shared import SharedStore
from billing.storage.grants import CHANNEL

# Some minutes of changes while Redis is away.
_MOST: Final = 10_000
_AGAIN_S: Final = 0.5


class Owed:
    """Changes on their way to the shared cache; too many end the trust in what that holds.

    Until a change has arrived there, `floor` stands in for it. So neither a notice nor a
    visitor ever waits for Redis.
    """

    def __init__(
        self, shared: SharedStore, on_too_many: Callable[[], None], most: int = _MOST
    ) -> None:
        self._shared = shared
        self._on_too_many = on_too_many
        self._most = most
        self._changes: dict[str, int] = {}
        self._telling: asyncio.Task[None] | None = None

    def add(self, client_id: str, version: int) -> None:
        """Have the shared cache told that the client is at `version`."""
        if version <= self._changes.get(client_id, -1):
            return
        if len(self._changes) >= self._most:
            self._changes.clear()
            self._on_too_many()
        self._changes[client_id] = version
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell(), name="changes for redis")

    def floor(self, client_id: str) -> int:
        """Return the version that the shared cache should be at, as far as it was not told yet."""
        return self._changes.get(client_id, -1)

    async def settled(self) -> None:
        """Return once all that is owed now was told."""
        if self._telling is not None:
            await asyncio.wait([self._telling])

    async def _tell(self) -> None:
        try:
            while self._changes:
                batch = dict(self._changes)
                if not await self._shared.invalidate(batch, CHANNEL):
                    await asyncio.sleep(_AGAIN_S)
                    continue
                for client_id, version in batch.items():
                    if self._changes.get(client_id) == version:
                        del self._changes[client_id]
        finally:
            self._telling = None
