"""Some processes of the gateway, Postgres and Valkey, and everything that may break between.

Whoever writes the truth reaches Postgres directly. Time stands still unless it is moved.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.trouble.link import open_link
from bench.trouble.servers import socket_of_postgres, socket_of_valkey
from billing.derive import GrantFact
from billing.storage import blocks
from billing.storage.clients import get_or_create_client
from billing.storage.grants import CHANNEL, bump_version, save_grants
from billing.storage.pool import Connection
from billing.storage.sessions import create_session
from billing.views import BlockService
from tests.support.entitlement_truth import Facts, Known, Told, Truth
from tests.support.one_process import HOST, NEGATIVE_TTL_S, OneProcess, Visitor, Ways
from tests.support.own_servers import OwnServers

# What the product promises once all is mended: a dead connection is found within four seconds,
# and made anew after five at most. The rest is for a machine with other things to do.
RECOVERS_S: Final = 30.0
# A store that failed is left alone for a second.
_A_MOMENT_S: Final = 1.25
_LOOK_EVERY_S: Final = 0.05
_YEAR: Final = timedelta(days=365)
_ACTOR: Final = "test"


@dataclass
class World:
    """What a test sees: clients, who are changed; processes, who are asked; and the truth.

    `unwell` are the processes from which something of the truth is kept, or was until they have
    been found to agree with it again.
    """

    servers: OwnServers
    truth: Truth
    now_s: float
    make_process: Callable[[str], Awaitable[OneProcess]]
    processes: list[OneProcess] = field(default_factory=list)
    unwell: set[str] = field(default_factory=set)
    visitors: dict[str, Visitor] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    _known: dict[tuple[str, str], Known] = field(default_factory=dict)
    _blocks: dict[str, str] = field(default_factory=dict)

    def move(self, seconds: float = _A_MOMENT_S) -> None:
        """Let time pass."""
        self.now_s += seconds

    def known(self, process: OneProcess, name: str) -> Known:
        """Return what the process has shown to know of the client."""
        return self._known.setdefault((process.name, name), Known())

    async def admit(self, name: str, by: str) -> None:
        """Let there be a client who never paid, and who is signed in or comes with tokens."""
        self.visitors[name] = Visitor(name, by)
        self.truth.begin(name)
        now = datetime.now(UTC)
        async with self.servers.writer.transaction() as connection:
            self.ids[name] = await get_or_create_client(connection, name)
            await create_session(
                connection,
                hashlib.sha256(name.encode()).digest(),
                self.ids[name],
                HOST,
                now=now,
                expires_at=now + _YEAR,
            )

    async def commit(self, name: str, until_s: float, *, is_barred: bool) -> None:
        """Change what the client holds, as billing does; all who are well know it at once."""
        was_barred = self.truth.newest(name).is_barred
        # Before it is so: whoever is asked meanwhile may know it already.
        self.truth.versions[name].append(Facts(until_s, is_barred, self.now_s))
        expected = self.truth.newest_version(name)
        async with self.servers.writer.transaction() as connection:
            fact = _grant(name, until_s, f"v{expected}")
            await save_grants(connection, self.ids[name], [fact], _ACTOR)
            if is_barred and not was_barred:
                await self._bar(connection, name)
            elif was_barred and not is_barred:
                await blocks.end_block(connection, self._blocks.pop(name), _instant(self.now_s))
            version = await bump_version(connection, self.ids[name])
        assert version == expected
        for process in self.processes:
            if process.name not in self.unwell:
                # No time passes: only a notice can have told it.
                await self.until_agrees(process, name, is_time_standing=True)

    async def pay(self, name: str, seconds: float) -> None:
        """Have the client pay for so long."""
        barred = self.truth.newest(name).is_barred
        await self.commit(name, self.now_s + seconds, is_barred=barred)

    async def end(self, name: str) -> None:
        """Have what the client paid for end now."""
        await self.commit(name, self.now_s, is_barred=self.truth.newest(name).is_barred)

    async def bar(self, name: str, *, is_barred: bool) -> None:
        """Lay a block over all that the client holds, or lift it."""
        await self.commit(name, self.truth.newest(name).until_s, is_barred=is_barred)

    async def notify(self, name: str, version: int) -> None:
        """Have a notice of a version come once more."""
        payload = f"{self.ids[name]}:{version}"
        async with self.servers.writer.transaction() as connection:
            await connection.execute("select pg_notify($1, $2)", CHANNEL, payload)

    async def check(self, process: OneProcess, name: str) -> int:
        """Ask, hold the answer against the truth, and return its status."""
        known = self.known(process, name)
        # Others may be told of something newer while this one waits.
        before = replace(known)
        status, plan = await process.ask(self.visitors[name])
        self.asked += 1
        told = Told(
            status,
            int(plan.removeprefix("v")) if plan else None,
            process.clock().timestamp(),
            self.now_s,
            process.held(self.ids[name]),
        )
        fault = self.truth.find_fault(name, told, before, is_well=process.name not in self.unwell)
        assert fault is None, (
            f"{process.name} {fault}: {told}, {before}, {self.truth.versions[name]}"
        )
        if status != 503:
            known.is_served = True
            known.version = max(known.version, told.version or 0, told.held or 0)
        return status

    async def add_process(self) -> OneProcess:
        """Start one more process; whether anything is kept from it, is not known yet."""
        process = await self.make_process(f"process-{len(self.processes)}")
        self.unwell.add(process.name)
        await process.start()
        self.processes.append(process)
        return process

    def crowd_out(self, process: OneProcess) -> None:
        """Have the process forget all clients; from now on it knows what others tell it."""
        process.crowd_out()
        for name in self.ids:
            self._known[process.name, name] = Known()

    async def check_all(self) -> None:
        """Ask every process about every client; who is well knows the newest of everybody."""
        await asyncio.gather(
            *(
                self._check_whole(process, name)
                for process in self.processes
                for name in self.visitors
            )
        )

    async def settle(self) -> None:
        """Return once every process agrees with the truth, now that nothing is broken."""
        for process in self.processes:
            await self.until_hears(process)
        for process in self.processes:
            for name in self.visitors:
                await self.until_agrees(process, name)
        self.unwell.clear()
        await self.check_all()

    async def restart(self, process: OneProcess, *, writes: bool) -> None:
        """End a process and start it with what it wrote down, now or some time ago."""
        await process.stop(writes=writes)
        written = process.written()
        for name, client_id in self.ids.items():
            version = written.get(client_id)
            known = Known(version or 0, is_served=version is not None)
            self._known[process.name, name] = known
        await process.start()

    async def until_agrees(
        self, process: OneProcess, name: str, *, is_time_standing: bool = False
    ) -> None:
        """Return once the process says of the client what is true; time passes meanwhile."""
        async with asyncio.timeout(RECOVERS_S):
            while not await self._agrees(process, name):
                await asyncio.sleep(_LOOK_EVERY_S)
                if not is_time_standing:
                    self.move()

    async def until_hears(self, process: OneProcess) -> None:
        """Return once the process hears of changes."""
        async with asyncio.timeout(RECOVERS_S):
            await process.listener.connected.wait()

    async def until_deaf(self, process: OneProcess) -> None:
        """Return once the process has found that it hears of no changes any more."""
        async with asyncio.timeout(RECOVERS_S):
            while process.listener.connected.is_set():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _check_whole(self, process: OneProcess, name: str) -> None:
        is_well = process.name not in self.unwell
        agrees = await self._agrees(process, name)
        assert agrees or not is_well, (
            f"{process.name} is not up to date though nothing is out of order:"
            f" {self.known(process, name)}, {self.truth.versions[name]}"
        )

    async def _agrees(self, process: OneProcess, name: str) -> bool:
        status = await self.check(process, name)
        is_newest = self.known(process, name).version == self.truth.newest_version(name)
        return is_newest and status == self.truth.newest(name).says(process.clock().timestamp())

    async def _bar(self, connection: Connection, name: str) -> None:
        laid = await blocks.insert_block(
            connection,
            self.ids[name],
            None,
            BlockService.ADMIN,
            from_at=_instant(self.now_s),
            until_at=None,
            reason="test",
            actor=_ACTOR,
            key=None,
        )
        assert laid is not None
        self._blocks[name] = laid.id


@asynccontextmanager
async def open_world(
    servers: OwnServers,
    folder: Path,
    run: Path,
    *,
    processes: int = 2,
    redis_url: str | None = None,
) -> AsyncIterator[World]:
    """Run processes on the servers, of which none is broken."""

    async def tell(request: web.Request) -> web.Response:
        plan = request.headers.get("X-Entitlement-Plan", "")
        return web.Response(headers={"X-Told-Plan": plan})

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", tell)])
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(TestServer(app))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        )

        async def make(name: str) -> OneProcess:
            postgres = socket_of_postgres(servers.database_url)
            ways = Ways(
                await stack.enter_async_context(open_link(postgres)),
                await stack.enter_async_context(open_link(postgres)),
                await stack.enter_async_context(open_link(socket_of_valkey(servers.valkey_url))),
            )
            process = OneProcess(
                name,
                folder / name,
                run,
                str(backend.make_url("")),
                servers.database_url,
                ways,
                lambda: world.now_s,
                http,
                redis_url,
            )
            stack.push_async_callback(process.stop)
            return process

        world = World(servers, Truth(NEGATIVE_TTL_S), float(int(time.time())), make)
        for _ in range(processes):
            await world.add_process()
        await world.settle()
        yield world


def _grant(name: str, until_s: float, plan: str) -> GrantFact:
    return GrantFact(
        app_id="notes",
        feature="access",
        value=True,
        source="item",
        source_id=f"si_{name}",
        plan=plan,
        version=1,
        status="active",
        from_at=_instant(0),
        until_at=_instant(until_s),
    )


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
