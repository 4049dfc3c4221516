"""Events that come in by hand, and a provider that can be made to wait in a call."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from billing.facts import EventRef, ObjectKind, ObjectRef, ProviderSubscription
from billing.storage.pool import Database
from tests.support.provider import MemoryProvider


def make_event(
    number: int,
    object_id: str = "sub_1",
    *,
    provider: MemoryProvider,
    kind: ObjectKind = ObjectKind.SUBSCRIPTION,
    twin: str | None = None,
) -> EventRef:
    """Return an event of now about the object."""
    return EventRef(
        external_id=f"evt_{number}",
        type="some.event",
        ref=ObjectRef(kind, object_id),
        livemode=False,
        api_version="1",
        occurred_at=provider.clock(),
        twin=twin,
    )


async def states_of(database: Database) -> list[str]:
    """Return the states of all events, in the order of their coming."""
    async with database.connection() as connection:
        rows = await connection.fetch("select state from psp_inbox order by id")
    return [row["state"] for row in rows]


class HeldProvider(MemoryProvider):
    """Waits in the reading of subscriptions while it is held."""

    _gate: asyncio.Event | None = None
    reading: Sequence[str] = ()

    async def fetch_subscription(self, psp_sub_id: str) -> ProviderSubscription:
        self.reading = (*self.reading, psp_sub_id)
        if self._gate is not None:
            await self._gate.wait()
        return await super().fetch_subscription(psp_sub_id)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Let nobody get an answer within."""
        self._gate = asyncio.Event()
        self.reading = ()
        try:
            yield
        finally:
            self._gate.set()
            self._gate = None
