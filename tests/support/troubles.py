"""Everything that may break in a world, by name, and how all of it is mended."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from redis.exceptions import ResponseError

from bench.trouble.link import Link, Way
from bench.trouble.servers import socket_of_postgres, socket_of_valkey
from tests.support.one_process import OneProcess
from tests.support.troubled import World

_SLOW_S: Final = 0.05


class Of(Enum):
    """Whom a trouble concerns: nobody's answers, those of one process, or those of all."""

    CACHE = auto()
    WAY = auto()
    TRUTH = auto()


@dataclass
class Troubles:
    """What is broken just now."""

    world: World
    is_postgres_down: bool = False
    is_read_only: bool = False
    is_hung: bool = False
    is_valkey_down: bool = False
    saved: dict[bytes | str, bytes] = field(default_factory=dict)

    @property
    def can_commit(self) -> bool:
        """Whether changes can be made."""
        return not (self.is_postgres_down or self.is_read_only or self.is_hung)

    async def begin(self, trouble: "Trouble", process: OneProcess) -> None:
        """Break something, of this process or of all."""
        world = self.world
        if trouble.of is Of.TRUTH:
            world.unwell |= {each.name for each in world.processes}
        elif trouble.of is Of.WAY:
            world.unwell.add(process.name)
        await trouble.begin(self, process)

    async def mend(self) -> None:
        """Let nothing be broken any more, and find that every process agrees with the truth."""
        await self.repair()
        await self.world.settle()

    async def repair(self) -> None:
        """Let nothing be broken any more."""
        servers = self.world.servers
        servers.wake()
        self.is_hung = False
        if self.is_postgres_down:
            await servers.start_postgres()
            self.is_postgres_down = False
        if self.is_read_only:
            await servers.let_write(is_allowed=True)
            self.is_read_only = False
        if self.is_valkey_down:
            await servers.start_valkey()
            self.is_valkey_down = False
        self._lead()
        for process in self.world.processes:
            for link in process.ways.all:
                link.mend()

    async def kill_postgres(self, _process: OneProcess) -> None:
        self.world.servers.wake()
        self.is_hung = False
        if not self.is_postgres_down:
            await self.world.servers.kill_postgres()
        self.is_postgres_down = True

    async def restart_postgres(self, process: OneProcess) -> None:
        await self.kill_postgres(process)
        await self.world.servers.start_postgres()
        self.is_postgres_down = False
        self._lead()

    async def hang_postgres(self, _process: OneProcess) -> None:
        if not self.is_postgres_down:
            self.world.servers.hang(self.world.servers.postgres)
            self.is_hung = True

    async def refuse_changes(self, _process: OneProcess) -> None:
        if self.can_commit:
            await self.world.servers.let_write(is_allowed=False)
            self.is_read_only = True

    async def kill_valkey(self, _process: OneProcess) -> None:
        if not self.is_valkey_down:
            await self.world.servers.kill_valkey()
        self.is_valkey_down = True

    async def restart_valkey(self, process: OneProcess) -> None:
        await self.kill_valkey(process)
        await self.world.servers.start_valkey()
        self.is_valkey_down = False
        self._lead()

    async def hang_valkey(self, _process: OneProcess) -> None:
        if not self.is_valkey_down:
            self.world.servers.hang(self.world.servers.valkey)

    async def flush_valkey(self, process: OneProcess) -> None:
        await self._awake(process)
        async with self.world.servers.redis() as redis:
            await redis.flushall()

    async def save_valkey(self, process: OneProcess) -> None:
        """Keep what a replica has that lags from now on."""
        await self._awake(process)
        async with self.world.servers.redis() as redis:
            keys = await redis.keys("tollway:entitlement:*")
            self.saved = {key: await redis.dump(key) or b"" for key in keys}

    async def put_back_valkey(self, process: OneProcess) -> None:
        """Let another server take Valkey's place, which has no more than was saved."""
        await self.kill_valkey(process)
        await self.restart_valkey(process)
        async with self.world.servers.redis() as redis:
            await redis.flushall()
            for key, value in self.saved.items():
                # What a process has put there meanwhile is newer.
                with contextlib.suppress(ResponseError):
                    await redis.restore(key, 0, value)

    async def _awake(self, process: OneProcess) -> None:
        self.world.servers.wake_valkey()
        if self.is_valkey_down:
            await self.restart_valkey(process)

    def _lead(self) -> None:
        """Let links lead to where the servers are now."""
        servers = self.world.servers
        for process in self.world.processes:
            ways = process.ways
            ways.postgres.server = ways.notices.server = socket_of_postgres(servers.database_url)
            ways.valkey.server = socket_of_valkey(servers.valkey_url)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that breaks, until all is mended or, where it ends by itself, once."""

    name: str
    of: Of
    begin: Callable[[Troubles, OneProcess], Awaitable[None]]

    def __str__(self) -> str:
        return self.name


def _of_link(what: str, of: Of, link_of: Callable[[OneProcess], Link]) -> tuple[Trouble, ...]:
    """Return what befalls a network."""

    async def cut(_troubles: Troubles, process: OneProcess) -> None:
        await link_of(process).cut()

    async def lose(_troubles: Troubles, process: OneProcess) -> None:
        await link_of(process).lose()

    async def slow(_troubles: Troubles, process: OneProcess) -> None:
        link_of(process).slow(_SLOW_S)

    def silent(*ways: Way) -> Callable[[Troubles, OneProcess], Awaitable[None]]:
        async def silence(_troubles: Troubles, process: OneProcess) -> None:
            link_of(process).silence(*ways)

        return silence

    return (
        Trouble(f"{what} is cut", of, cut),
        Trouble(f"{what} loses its connections", of, lose),
        Trouble(f"{what} is slow", of, slow),
        Trouble(f"{what} is silent", of, silent()),
        Trouble(f"{what} is silent there", of, silent(Way.THERE)),
        Trouble(f"{what} is silent back", of, silent(Way.BACK)),
    )


POSTGRES: Final = (
    Trouble("Postgres is killed", Of.TRUTH, Troubles.kill_postgres),
    Trouble("Postgres is restarted", Of.TRUTH, Troubles.restart_postgres),
    Trouble("Postgres hangs", Of.TRUTH, Troubles.hang_postgres),
    Trouble("Postgres only reads", Of.CACHE, Troubles.refuse_changes),
)
VALKEY: Final = (
    Trouble("Valkey is killed", Of.CACHE, Troubles.kill_valkey),
    Trouble("Valkey is restarted", Of.CACHE, Troubles.restart_valkey),
    Trouble("Valkey hangs", Of.CACHE, Troubles.hang_valkey),
    Trouble("Valkey is flushed", Of.CACHE, Troubles.flush_valkey),
    Trouble("Valkey fails over to a copy that lags", Of.CACHE, Troubles.put_back_valkey),
)
NETWORKS: Final = (
    *_of_link("the network to Postgres", Of.WAY, lambda process: process.ways.postgres),
    *_of_link("the network to Valkey", Of.CACHE, lambda process: process.ways.valkey),
)
NOTICES: Final = _of_link("the way of notices", Of.WAY, lambda process: process.ways.notices)
