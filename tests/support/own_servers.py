"""Postgres and Valkey of a test's own, which may be killed, hung, emptied, and started again."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
from redis.asyncio import Redis

from bench.cpu import tree_pids
from bench.trouble.servers import freeze, send, thaw
from billing.entitlements.invalidation import Listener, Missed
from billing.errors import UnavailableError
from billing.storage import refresh_notices
from billing.storage.migrate import migrate
from billing.storage.pool import Database
from gateway.embedded.postgres import EmbeddedPostgres
from gateway.embedded.valkey import EmbeddedValkey
from tests.support.keys import RING

_LIMIT_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.05


class _NoEars:
    """Who has nothing to forget (`invalidation.Ears`)."""

    def lost(self) -> None:
        """Nothing."""

    def hears(self, missed: Missed) -> None:
        """Nothing."""


@dataclass
class OwnServers:
    """Postgres and Valkey of a test's own, and the database that clients are in."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    writer: Database
    database_url: str
    valkey_url: str
    _answering: asyncio.Task[None] = field(init=False)

    @classmethod
    async def start(cls, folder: Path, run: Path) -> "OwnServers":
        """Start both. What Postgres has committed outlives its being killed."""
        postgres = EmbeddedPostgres(folder / "postgres", run / "pg", durable=True)
        valkey = EmbeddedValkey(folder / "valkey", run / "vk")
        url, valkey_url = await asyncio.gather(postgres.start(), valkey.start())
        writer = await Database.open(url, size=2, ring=RING)
        await migrate(writer)
        servers = cls(postgres, valkey, writer, url, valkey_url)
        servers.answer()
        return servers

    def answer(self) -> None:
        """Say of every client that its provider knows no more, as a control process does."""

        async def tell(client_id: str) -> None:
            with contextlib.suppress(UnavailableError):
                async with self.writer.connection() as connection:
                    await refresh_notices.answer(connection, client_id)

        listener = Listener(self.database_url, {refresh_notices.ASKED: tell}, _NoEars())
        self._answering = asyncio.create_task(listener.run(), name="provider")

    async def stop(self) -> None:
        """Stop both."""
        self.wake()
        self._answering.cancel()
        await asyncio.gather(self._answering, return_exceptions=True)
        await self.writer.close()
        await asyncio.gather(self.postgres.stop(), self.valkey.stop())

    async def kill_postgres(self) -> None:
        """End Postgres as a power cut does."""
        send(signal.SIGKILL, *tree_pids(self.postgres.pid))
        await self.postgres.stop()

    async def start_postgres(self) -> None:
        """Let Postgres answer again."""
        self.database_url = await self.postgres.start()
        await self.writer.close()
        self.writer = await Database.open(self.database_url, size=2, ring=RING)

    async def let_write(self, *, is_allowed: bool) -> None:
        """Have Postgres take changes or refuse them, as one does whose disk is full."""
        admin = await asyncpg.connect(self.database_url)
        try:
            wanted = "off" if is_allowed else "on"
            await admin.execute(f"alter system set default_transaction_read_only = {wanted}")
            await admin.execute("select pg_reload_conf()")
            async with asyncio.timeout(_LIMIT_S):
                while (  # noqa: ASYNC110 - the server reads its settings when it gets to it
                    await admin.fetchval("show default_transaction_read_only") != wanted
                ):
                    await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            await admin.close()

    async def until_read(self) -> None:
        """Return once a client's facts have been read by a connection that is open still."""
        async with asyncio.timeout(_LIMIT_S), self.writer.connection() as connection:
            while not await connection.fetchval(  # noqa: ASYNC110 - Postgres tells nobody
                "select exists (select from pg_stat_activity where state = 'idle'"
                " and query like '%from grants g where g.client_id = c.id%'"
                " and state_change > now() - interval '0.3 s')"
            ):
                await asyncio.sleep(0)

    async def kill_valkey(self) -> None:
        """End Valkey as a power cut does."""
        send(signal.SIGKILL, self.valkey.pid)
        await self.valkey.stop()

    async def start_valkey(self) -> None:
        """Let Valkey answer again, with what it had written."""
        self.valkey_url = await self.valkey.start()

    def hang(self, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        """Let a server do nothing more, and tell nobody."""
        freeze(*tree_pids(server.pid))

    def wake(self) -> None:
        """Let whatever hangs go on."""
        thaw(*tree_pids(self.postgres.pid))
        self.wake_valkey()

    def wake_valkey(self) -> None:
        """Let Valkey go on."""
        thaw(*tree_pids(self.valkey.pid))

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        """Look into Valkey."""
        async with Redis.from_url(self.valkey_url) as opened:
            yield opened
