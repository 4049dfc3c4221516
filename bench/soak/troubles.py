"""What breaks in a soak, one after the other, in a random order; each with what it excuses.

Valkey is a cache: whatever becomes of it, no answer may be another one.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from bench.cpu import tree_pids
from bench.soak.payments import Payments
from bench.soak.place import Place
from bench.trouble.link import Link
from bench.trouble.servers import frozen
from bench.trouble.verdicts import Excuse, Outage

_NOTHING: Final[frozenset[Excuse]] = frozenset()
_OF_TRUTH: Final = frozenset({Excuse.STALE, Excuse.UNAVAILABLE})
_OF_PROCESS: Final = frozenset({Excuse.BROKEN})
_LASTS_S: Final = (1.0, 6.0)
_BETWEEN_S: Final = (2.0, 6.0)
_SLOW_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that breaks: out of order while `broken` is entered."""

    name: str
    excuses: frozenset[Excuse]
    broken: Callable[["Troubles"], AbstractAsyncContextManager[None]]


@dataclass(slots=True)
class Troubles:
    """Makes trouble; `outages` is what was made."""

    place: Place
    payments: Payments
    random: random.Random
    outages: list[Outage] = field(default_factory=list)

    async def run(self, ends_s: float) -> None:
        """Break one thing after the other until the loop's time is `ends_s`; then all is well."""
        loop = asyncio.get_running_loop()
        # Each in its turn, shuffled anew every round: a short soak has had all of them too.
        while True:
            for trouble in self.random.sample(EVERY, len(EVERY)):
                await asyncio.sleep(self.random.uniform(*_BETWEEN_S))
                if loop.time() >= ends_s:
                    return
                await self._make(trouble)

    async def _make(self, trouble: Trouble) -> None:
        begun_s = time.time()
        try:
            async with trouble.broken(self):
                await asyncio.sleep(self.random.uniform(*_LASTS_S))
        finally:
            self.outages.append(Outage(trouble.name, begun_s, time.time(), trouble.excuses))


@asynccontextmanager
async def _postgres_restarts(troubles: Troubles) -> AsyncIterator[None]:
    async with troubles.payments.pausing:
        await troubles.place.restart_postgres()
    yield


@asynccontextmanager
async def _postgres_hangs(troubles: Troubles) -> AsyncIterator[None]:
    async with troubles.payments.pausing:
        with frozen(*tree_pids(troubles.place.postgres.pid)):
            yield


@asynccontextmanager
async def _valkey_restarts(troubles: Troubles) -> AsyncIterator[None]:
    await troubles.place.restart_valkey()
    yield


@asynccontextmanager
async def _valkey_hangs(troubles: Troubles) -> AsyncIterator[None]:
    with frozen(troubles.place.valkey.pid):
        yield


@asynccontextmanager
async def _valkey_is_flushed(troubles: Troubles) -> AsyncIterator[None]:
    async with Redis(unix_socket_path=_socket(troubles.place.to_valkey)) as redis:
        await redis.flushall()
    yield


def _cut(
    link_of: Callable[[Place], Link],
) -> Callable[[Troubles], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def broken(troubles: Troubles) -> AsyncIterator[None]:
        link = link_of(troubles.place)
        await link.cut()
        try:
            yield
        finally:
            link.mend()

    return broken


def _silent(
    link_of: Callable[[Place], Link],
) -> Callable[[Troubles], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def broken(troubles: Troubles) -> AsyncIterator[None]:
        link = link_of(troubles.place)
        link.silence()
        try:
            yield
        finally:
            link.mend()

    return broken


def _slow(
    link_of: Callable[[Place], Link],
) -> Callable[[Troubles], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def broken(troubles: Troubles) -> AsyncIterator[None]:
        link = link_of(troubles.place)
        link.slow(_SLOW_S)
        try:
            yield
        finally:
            link.mend()

    return broken


@asynccontextmanager
async def _child_is_killed(troubles: Troubles) -> AsyncIterator[None]:
    os.kill(troubles.random.choice(troubles.place.children()), signal.SIGKILL)
    yield


def _socket(link: Link) -> str:
    server = link.server
    if not isinstance(server, Path):
        raise TypeError(f"{server} is no socket")
    return str(server)


def _to_postgres(place: Place) -> Link:
    return place.to_postgres


def _to_valkey(place: Place) -> Link:
    return place.to_valkey


EVERY: Final = (
    Trouble("Postgres restarts", _OF_TRUTH, _postgres_restarts),
    Trouble("Postgres hangs", _OF_TRUTH, _postgres_hangs),
    Trouble("network to Postgres is cut", _OF_TRUTH, _cut(_to_postgres)),
    Trouble("network to Postgres is silent", _OF_TRUTH, _silent(_to_postgres)),
    Trouble("network to Postgres is slow", _OF_TRUTH, _slow(_to_postgres)),
    Trouble("Valkey is killed", _NOTHING, _valkey_restarts),
    Trouble("Valkey hangs", _NOTHING, _valkey_hangs),
    Trouble("Valkey is flushed", _NOTHING, _valkey_is_flushed),
    Trouble("network to Valkey is cut", _NOTHING, _cut(_to_valkey)),
    Trouble("network to Valkey is silent", _NOTHING, _silent(_to_valkey)),
    Trouble("a process is killed", _OF_PROCESS, _child_is_killed),
)
