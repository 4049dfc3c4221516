"""Valkey as others run it: two servers that a Sentinel watches over, and a cluster of three."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.embedded.binaries import find_valkey
from gateway.embedded.processes import GuardedProcess

MASTER: Final = "shop"
_LIMIT_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.05
_FLEETING: Final = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1")


@dataclass(slots=True)
class Node:
    """A server on a TCP port of its own."""

    port: int
    process: GuardedProcess
    redis: Redis

    def kill(self) -> None:
        """End the server as a power cut does."""
        os.kill(self.process.pid, signal.SIGKILL)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return once it holds; a server that cannot be asked yet is one for which it does not."""
    async with asyncio.timeout(_LIMIT_S):
        while True:
            try:
                if await holds():
                    return
            except (RedisError, OSError):
                pass  # It is starting, or just going down.
            await asyncio.sleep(_LOOK_EVERY_S)


@asynccontextmanager
async def replicated(folder: Path) -> AsyncIterator[tuple[Node, Node, str]]:
    """Run a master, its replica and a Sentinel; yield the two and the URL for the gateway."""
    async with AsyncExitStack() as stack:
        master = await _start(stack, folder / "master")
        replica = await _start(stack, folder / "replica", "--replicaof", f"127.0.0.1 {master.port}")
        port = _free_port()
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {master.port} 1\n"
            f"sentinel down-after-milliseconds {MASTER} 500\n"
            f"sentinel failover-timeout {MASTER} 3000\n"
        )
        sentinel = await _start(stack, folder / "sentinel", str(settings), "--sentinel", port=port)

        async def knows_both() -> bool:
            linked = (await replica.redis.info("replication"))["master_link_status"] == "up"
            state = await _say(sentinel, "SENTINEL MASTER", MASTER)
            return linked and bool(state["num-slaves"] == 1)

        await until(knows_both)
        yield master, replica, f"redis+sentinel://127.0.0.1:{port}/{MASTER}"


@asynccontextmanager
async def clustered(folder: Path) -> AsyncIterator[tuple[list[Node], str]]:
    """Run a cluster of three servers without replicas; yield them and the URL for the gateway."""
    async with AsyncExitStack() as stack:
        nodes = [
            await _start(
                stack,
                folder / f"node-{number}",
                *("--cluster-enabled", "yes", "--cluster-port", str(_free_port())),
                *("--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"),
            )
            for number in range(3)
        ]
        ranges = [(0, 5461), (5462, 10922), (10923, 16383)]
        for node, (first, last) in zip(nodes, ranges, strict=True):
            await _say(node, "CLUSTER ADDSLOTSRANGE", first, last)
            bus = await nodes[0].redis.config_get("cluster-port")
            await _say(node, "CLUSTER MEET", "127.0.0.1", nodes[0].port, str(bus["cluster-port"]))

        async def all_agree() -> bool:
            for node in nodes:
                info = await _say(node, "CLUSTER INFO")
                wanted = ("ok", "3", "16384")
                names = ("cluster_state", "cluster_known_nodes", "cluster_slots_assigned")
                if any(info[name] != value for name, value in zip(names, wanted, strict=True)):
                    return False
            return True

        await until(all_agree)
        yield nodes, f"redis+cluster://127.0.0.1:{nodes[0].port},127.0.0.1:{nodes[1].port}"


async def _start(
    stack: AsyncExitStack, folder: Path, *options: str, port: int | None = None
) -> Node:
    """Start a server in the folder, and end it with the stack."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    chosen = port or _free_port()
    # A Sentinel has its port, and all else, in the file that is its first option.
    words = options if port else ("--port", str(chosen), *_FLEETING, *options)
    process = await GuardedProcess.start(
        [find_valkey(), *words],
        name="valkey",
        cwd=folder,
        stop_signals=(signal.SIGTERM,),
        grace_s=2.0,
    )
    stack.push_async_callback(process.stop)
    redis: Redis = Redis(host="127.0.0.1", port=chosen, socket_timeout=5)
    stack.push_async_callback(redis.aclose)

    async def answers() -> bool:
        return bool(await redis.ping())

    await until(answers)
    return Node(chosen, process, redis)


async def _say(node: Node, *words: str | int) -> Any:  # what a command gives is its own affair
    return await node.redis.execute_command(*words)  # type: ignore[no-untyped-call] # redis-py's own


def _free_port() -> int:
    """Return a port that is free now; the servers take no socket that is open already."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
    return port
