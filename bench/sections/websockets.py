"""The memory of an idle WebSocket, each with a connection to the visitor and one to the app."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from bench.cores import pinned
from bench.cpu import resident_bytes
from bench.errors import BenchError
from bench.program import command_of, environment
from bench.result import Section, judged
from bench.site import Site, free_port, last_words, running
from bench.stacks.stack import Listening
from bench.stacks.tollway import Tollway
from bench.stats import spread_of
from bench.targets import SOCKET_KB

COUNT: Final = 10_000

# What the gateway opens besides: listeners, stores, files.
_RESERVED_FILES = 200
_CLIENT = "sockets-client"
_LIMIT_S = 180.0
_LOOK_EVERY_S = 0.2
_LOOKS = 100
_SETTLED = 5


async def measure_websockets(site: Site, count: int = COUNT) -> Section:
    """Measure it with as many as this system lets a process open.

    Raises:
        BenchError: one could not be opened, or was dead at the end.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = min(count, (limit - _RESERVED_FILES) // 2)
    stack = Tollway(proxy={"upstream_connections": min(65_536, possible + 100)})
    async with _app(site) as there, stack.run(there) as where:
        async with _sockets(there, where, 1):
            before = await _settled(where.pids)
        async with _sockets(there, where, possible) as client:
            held = await _settled(where.pids) - before
            await _say_something(there, client)
    per_socket = spread_of([held / possible / 1000])
    less = f"{possible:,} instead of {count:,}: a process may open {limit:,} files here"
    return Section(
        name="websockets",
        title="Idle WebSockets",
        how=(
            f"{possible:,} open through the entitled path, each hundredth echoing at the end;"
            " resident memory of the gateway's processes, less what they held before;"
            " upstream_connections is raised for it, everything else is as shipped"
        ),
        figures=(judged("memory of one", "KB", per_socket, SOCKET_KB),),
        missing=less if possible < count else None,
    )


@asynccontextmanager
async def _app(site: Site) -> AsyncIterator[Site]:
    port = free_port()
    command = command_of("sockets", "serve", port)
    log = site.log_of("sockets")
    async with running(
        "sockets", command, log, cores=site.cores.load, port=port, env=environment()
    ):
        yield replace(site, app_port=port, gated_port=port)


@asynccontextmanager
async def _sockets(
    site: Site, where: Listening, count: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Hold so many open while entered."""
    command = command_of("sockets", "open", where.port, where.host, site.token, count)
    with site.log_of(_CLIENT).open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *pinned(site.cores.load, command),
            env=environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        if (await _told(site, process)).get("open") != count:
            raise BenchError("not every WebSocket was opened")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _say_something(site: Site, client: asyncio.subprocess.Process) -> None:
    assert client.stdin is not None  # noqa: S101 - asked for as a pipe above
    client.stdin.write(b"\n")
    if not (await _told(site, client)).get("alive"):
        raise BenchError("no WebSocket echoed at the end")


async def _told(site: Site, client: asyncio.subprocess.Process) -> dict[str, int]:
    assert client.stdout is not None  # noqa: S101 - as above
    try:
        async with asyncio.timeout(_LIMIT_S):
            line = await client.stdout.readline()
    except TimeoutError:
        raise BenchError(f"WebSockets were not open within {_LIMIT_S:g} s") from None
    if not line:
        raise BenchError(f"a WebSocket was refused, or died: {last_words(site.log_of(_CLIENT))}")
    return dict(json.loads(line))


async def _settled(pids: Sequence[int]) -> int:
    """Return the resident memory once it stands still."""
    seen: list[int] = []
    for _ in range(_LOOKS):
        seen.append(resident_bytes(pids))
        if len(seen) >= _SETTLED and len(set(seen[-_SETTLED:])) == 1:
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    return seen[-1]
