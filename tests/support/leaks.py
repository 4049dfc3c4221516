"""What a gate must have given back when its peers are gone: tasks, sockets, connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.gate import Running
from tests.support.raw import RawApp

_LIMIT_S = 5.0
# Longer than the kernel delays an acknowledgement (40 ms); what rests so long is at rest.
_QUIET_S = 0.25


async def until(holds: Callable[[], object], *, limit_s: float = _LIMIT_S) -> None:
    """Let the loop turn until something holds."""
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110 - the kernel and the gate set no Event of ours
            await asyncio.sleep(0)


async def at_rest(measure: Callable[[], int], *, quiet_s: float = _QUIET_S) -> int:
    """Let the loop turn until a number grows no more, and return it.

    That something blocks can only be seen by nothing happening for a while.
    """
    loop = asyncio.get_running_loop()
    last, since = measure(), loop.time()
    async with asyncio.timeout(30):
        while loop.time() - since < quiet_s:
            await asyncio.sleep(0)
            if (now := measure()) != last:
                last, since = now, loop.time()
    return last


def held_by(gate: Running) -> int:
    """Return the bytes that the gate itself holds for its peers; the kernel's are not counted."""
    visitors = [(v._transport, len(v._reader.buffer)) for v in gate.server._open]
    apps = [
        (c._transport, len(c._buffer))
        for server in gate.upstream.servers
        for c in (*server._open, *server._tunnels)
    ]
    return sum(
        read + (transport.get_write_buffer_size() if transport is not None else 0)
        for transport, read in (*visitors, *apps)
    )


@asynccontextmanager
async def no_leaks(gate: Running, app: RawApp | None = None) -> AsyncIterator[None]:
    """Assert that all is given back that is taken within; the visitors must be gone by then.

    Connections that the gate keeps for the app's next request are no leak: the app closes
    them, and then they too have to go.
    """
    tasks, sockets = asyncio.all_tasks(), _sockets()
    yield
    await _until_none(lambda: _in_use(gate))
    for peer in app.peers if app is not None else ():
        peer.reset()
        await peer.close()
    await _until_none(lambda: _kept(gate))
    await _until_none(lambda: sorted(map(repr, asyncio.all_tasks() - tasks)))
    await _until_none(lambda: sorted(_sockets() - sockets))


async def _until_none(leaks: Callable[[], list[str]]) -> None:
    try:
        await until(lambda: not leaks())
    except TimeoutError:
        assert leaks() == []


def _in_use(gate: Running) -> list[str]:
    found = []
    if gate.server.connections:
        found.append(f"{gate.server.connections} connections of visitors")
    if gate.upstream.busy:
        found.append(f"{gate.upstream.busy} busy connections to the app")
    if gate.upstream.tunnels:
        found.append(f"{gate.upstream.tunnels} connections of WebSockets to the app")
    if len(gate.streams):
        found.append(f"{len(gate.streams)} streams that are watched")
    return found


def _kept(gate: Running) -> list[str]:
    if not gate.upstream.idle:
        return []
    return [f"{gate.upstream.idle} idle connections to an app that closed them"]


def _sockets() -> set[str]:
    """Return the sockets that this process has open, by inode."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue  # It was the one that lists the folder.
        if target.startswith("socket:"):
            found.add(target)
    return found
