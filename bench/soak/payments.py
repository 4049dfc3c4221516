"""What becomes of the clients in a soak: they pay, for long or for seconds, end, are barred.

Written straight into Postgres by billing's own storage, as a webhook that was applied would be.
"""

import asyncio
import math
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from bench.soak.place import APP
from bench.trouble.verdicts import Change, Held, History
from billing.derive import GrantFact
from billing.storage import blocks
from billing.storage.clients import get_or_create_client
from billing.storage.grants import bump_version, save_grants
from billing.storage.pool import Database
from billing.views import BlockService

CLIENTS: Final = 120
_LONG_S: Final = 86_400.0
_SHORT_S: Final = (2.0, 15.0)
_PAUSE_S: Final = (0.05, 0.35)
_ACTOR: Final = "soak"


def name_of(client: int) -> str:
    """Return the external id of a client."""
    return f"soak-{client}"


@dataclass(slots=True)
class Payments:
    """Changes what clients hold, at random, and notes it.

    `pausing` is held while nothing may be written, so that what a commit came to is always known.
    """

    database: Database
    random: random.Random
    history: History = field(default_factory=History)
    pausing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _ids: dict[int, str] = field(default_factory=dict)
    _blocks: dict[int, str] = field(default_factory=dict)

    async def begin(self) -> None:
        """Make the clients; two thirds of them have paid."""
        for client in range(CLIENTS):
            async with self.database.transaction() as connection:
                self._ids[client] = await get_or_create_client(connection, name_of(client))
            if client % 3:
                await self._pay(client, _LONG_S)

    async def run(self) -> None:
        """Change one after the other, for ever."""
        while True:
            await asyncio.sleep(self.random.uniform(*_PAUSE_S))
            async with self.pausing:
                await self._change(self.random.randrange(CLIENTS))

    async def _change(self, client: int) -> None:
        held = self.history.now(client)
        if held.is_blocked:
            await self._lift(client)
        elif held.until_s is None or held.until_s <= time.time():
            await self._pay(client, self._how_long())
        else:
            match self.random.randrange(4):
                case 0:
                    await self._end(client)
                case 1:
                    await self._lay(client)
                case _:
                    await self._pay(client, self._how_long())

    def _how_long(self) -> float:
        return _LONG_S if self.random.random() < 0.4 else self.random.uniform(*_SHORT_S)

    async def _pay(self, client: int, seconds: float) -> None:
        until_s = time.time() + seconds
        await self._write(client, Held(until_s))

    async def _end(self, client: int) -> None:
        # The instant itself is over by the time that anybody hears of it.
        await self._write(client, Held(math.floor(time.time())))

    async def _write(self, client: int, held: Held) -> None:
        begun_s = time.time()
        client_id = self._ids[client]
        async with self.database.transaction() as connection:
            await save_grants(connection, client_id, [_grant(client, held.until_s or 0)], _ACTOR)
            await bump_version(connection, client_id)
        self.history.add(client, Change(begun_s, time.time(), held))

    async def _lay(self, client: int) -> None:
        begun_s = time.time()
        client_id = self._ids[client]
        async with self.database.transaction() as connection:
            laid = await blocks.insert_block(
                connection,
                client_id,
                None,
                BlockService.ADMIN,
                from_at=datetime.now(UTC) - timedelta(seconds=1),
                until_at=None,
                reason="soak",
                actor=_ACTOR,
                key=None,
            )
            await bump_version(connection, client_id)
        if laid is not None:
            self._blocks[client] = laid.id
        held = self.history.now(client)
        self.history.add(client, Change(begun_s, time.time(), Held(held.until_s, is_blocked=True)))

    async def _lift(self, client: int) -> None:
        begun_s = time.time()
        client_id = self._ids[client]
        async with self.database.transaction() as connection:
            await blocks.end_block(connection, self._blocks.pop(client), datetime.now(UTC))
            await bump_version(connection, client_id)
        held = self.history.now(client)
        self.history.add(client, Change(begun_s, time.time(), Held(held.until_s)))


def _grant(client: int, until_s: float) -> GrantFact:
    until_at = datetime.fromtimestamp(until_s, UTC)
    return GrantFact(
        app_id=APP,
        feature="access",
        value=True,
        source="item",
        source_id=f"si_soak_{client}",
        plan="team",
        version=1,
        status="active",
        from_at=until_at - timedelta(days=30),
        until_at=until_at,
    )
