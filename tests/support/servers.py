"""Postgres and Valkey for tests: one pair a test process, a database of its own a test."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from gateway.embedded.postgres import EmbeddedPostgres
from gateway.embedded.valkey import EmbeddedValkey

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Servers:
    """URLs of the running pair; `postgres` names a database that holds nothing."""

    postgres: str
    valkey: str

    def url_of(self, database: str) -> str:
        """Return the URL of another database of the same server."""
        return f"postgresql:///{database}?{urlsplit(self.postgres).query}"


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
        yield Servers(wait_for(postgres.start()), wait_for(valkey.start()))
    finally:
        wait_for(valkey.stop())
        wait_for(postgres.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
