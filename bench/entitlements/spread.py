"""From a commit until each of four workers acts on it, as clients see it.

A connection to every worker is kept, and a request on each is repeated until its answer is
the one that the commit makes.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench.cpu import tree_pids
from bench.entitlements.shop import APP, Shop, grant_of
from bench.errors import BenchError
from bench.site import last_words, running
from bench.stacks.tollway import token_of
from billing.storage.clients import get_or_create_client
from billing.storage.grants import bump_version, save_grants

WORKERS: Final = 4
_NAME: Final = "bench-spread"
_GRACE_S: Final = 12.0
_READY_S: Final = 30.0
_CONNECTIONS_AT_MOST: Final = 400
# Past this nobody waits: the change was missed.
_MISSED_S: Final = 10.0
_BETWEEN_S: Final = 0.02
_ASK_EVERY_S: Final = 0.001

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def measure(shop: Shop, commits: int) -> list[float]:
    """Return for each commit and each worker the seconds until it acted on it.

    Raises:
        BenchError: a worker did not start, or missed a change.
    """
    port = int(shop.environment["PORT"])
    log = shop.folder / "gateway.log"
    command = (sys.executable, "-P", "-m", "gateway", "serve", "-c", str(shop.file))
    async with running(
        "tollway",
        [*command, "--workers", str(WORKERS)],
        log,
        cores=None,
        port=port,
        env=shop.environment,
        grace_s=_GRACE_S,
    ) as gateway:
        token = token_of(shop.secrets.TOLLWAY_TOKEN_KEY, _NAME)
        request = (
            f"GET / HTTP/1.1\r\nHost: {APP}.localhost\r\nAuthorization: Bearer {token}\r\n"
            "Accept: application/json\r\n\r\n"
        ).encode()
        async with _one_each(gateway.pid, port, log) as connections:
            return await _flip(shop, connections, request, commits)


async def _flip(
    shop: Shop, connections: list[Connection], request: bytes, commits: int
) -> list[float]:
    database, seen = shop.database, []
    async with database.transaction() as connection:
        client_id = await get_or_create_client(connection, _NAME)
    for number in range(commits):
        is_paid = number % 2 == 0
        now = datetime.now(UTC)
        until_at = now + timedelta(days=30) if is_paid else now - timedelta(seconds=1)
        wanted = 200 if is_paid else 402
        watching = [asyncio.create_task(_watch(each, request, wanted)) for each in connections]
        await asyncio.sleep(_BETWEEN_S)
        async with database.transaction() as connection:
            await save_grants(connection, client_id, [grant_of(_NAME, until_at)], "bench")
            await bump_version(connection, client_id)
        committed_s = time.perf_counter()
        seen += [max(0.0, at_s - committed_s) for at_s in await asyncio.gather(*watching)]
    return seen


async def _watch(connection: Connection, request: bytes, wanted: int) -> float:
    """Ask until the answer is the one that is wanted; return when it was."""
    try:
        async with asyncio.timeout(_MISSED_S):
            while await _ask(connection, request) != wanted:  # noqa: ASYNC110 - another process
                # All of this shares the cores with what it measures.
                await asyncio.sleep(_ASK_EVERY_S)
    except TimeoutError:
        raise BenchError(f"a worker has not heard of a change after {_MISSED_S:g} s") from None
    return time.perf_counter()


async def _ask(connection: Connection, request: bytes) -> int:
    reader, writer = connection
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return int(head.split(b" ", 2)[1])


@asynccontextmanager
async def _one_each(pid: int, port: int, log: Path) -> AsyncIterator[list[Connection]]:
    """Yield a connection to each worker.

    Which worker the kernel gave a connection to, its socket among the worker's files tells.
    """
    by_worker: dict[int, Connection] = {}
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(_READY_S):
                for _ in range(_CONNECTIONS_AT_MOST):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    stack.callback(writer.transport.abort)
                    # The answer tells that it was accepted.
                    await _ask((reader, writer), b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    own_port = writer.get_extra_info("sockname")[1]
                    worker = _owner(pid, port, own_port)
                    by_worker.setdefault(worker, (reader, writer))
                    if len(by_worker) == WORKERS:
                        break
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise BenchError(f"the gateway is not ready: {last_words(log)}") from error
        if len(by_worker) < WORKERS:
            raise BenchError(f"only {len(by_worker)} of {WORKERS} workers accept connections")
        yield list(by_worker.values())


def _owner(root: int, port: int, peer_port: int) -> int:
    """Return the process that has the server's end of a connection."""
    inode = _inode(port, peer_port)
    for pid in tree_pids(root):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if str(entry.readlink()) == f"socket:[{inode}]":
                    return pid
            except OSError:
                continue  # It was closed while we looked.
    raise BenchError("a connection is nobody's")


def _inode(port: int, peer_port: int) -> str:
    """Return the inode of a connected socket of ours by its ports (proc_net_tcp(5))."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(fields[n].rpartition(":")[2], 16) for n in (1, 2))
        if (local, remote) == (port, peer_port):
            return fields[9]
    raise BenchError("a connection is not in /proc/net/tcp")
