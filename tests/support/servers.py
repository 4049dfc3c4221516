"""Postgres and Valkey for tests: one pair a test process, a database of its own a test."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg

from billing.storage.migrate import migrate
from billing.storage.pool import Database
from gateway.embedded.postgres import EmbeddedPostgres
from gateway.embedded.valkey import EmbeddedValkey
from tests.support.keys import RING

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Servers:
    """URLs of the running pair; `postgres` names a database that holds nothing.

    `template` is the name of a database that is migrated and empty: a copy of it costs a
    fraction of what the migrations do.
    """

    postgres: str
    valkey: str
    template: str

    def url_of(self, database: str) -> str:
        """Return the URL of another database of the same server."""
        return url_of(self.postgres, database)


@asynccontextmanager
async def new_database(servers: Servers, *, is_migrated: bool = True) -> AsyncIterator[str]:
    """Make an empty database, and give its URL; it is dropped in the end, whoever uses it."""
    name = f"test_{uuid.uuid4().hex}"
    how = f'template "{servers.template}"' if is_migrated else ""
    admin = await asyncpg.connect(servers.postgres)
    try:
        await admin.execute(f'create database "{name}" {how}')
        try:
            yield servers.url_of(name)
        finally:
            await admin.execute(f'drop database "{name}" with (force)')
    finally:
        await admin.close()


async def _make_template(server_url: str) -> str:
    name = "template_migrated"
    admin = await asyncpg.connect(server_url)
    try:
        await admin.execute(f'create database "{name}"')
    finally:
        await admin.close()
    database = await Database.open(url_of(server_url, name), size=1, ring=RING)
    try:
        await migrate(database)
    finally:
        await database.close()
    return name


def url_of(server_url: str, database: str) -> str:
    """Return the URL of another database of the server."""
    return f"postgresql:///{database}?{urlsplit(server_url).query}"


@contextmanager
def run_servers(folder: Path) -> Iterator[Servers]:
    """Run both servers below `folder`, on a loop of their own that outlives the tests'."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="servers")
    thread.start()

    def wait_for(work: Coroutine[None, None, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(timeout=60)

    postgres = EmbeddedPostgres(folder / "postgres", folder / "run", durable=False)
    valkey = EmbeddedValkey(folder / "valkey", folder / "run")
    try:
        url = wait_for(postgres.start())
        yield Servers(url, wait_for(valkey.start()), wait_for(_make_template(url)))
    finally:
        wait_for(valkey.stop())
        wait_for(postgres.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
