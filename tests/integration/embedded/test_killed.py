"""Whoever is killed, nothing stays behind and nothing is lost."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio as redis

_ROOT = Path(__file__).parents[3]
_OWNER = Path(__file__).with_name("owner_process.py")
_GONE_S = 2.0
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Owner:
    process: asyncio.subprocess.Process
    postgres: int
    backend: int
    valkey: int
    url: str
    redis_url: str
    words: list[str]

    @property
    def pids(self) -> set[int]:
        """The owner and everything below it, as it is now."""
        assert self.process.pid
        return {self.process.pid, *_descendants(self.process.pid)}

    def guard_of(self, pid: int) -> int:
        return _parent(pid)


@asynccontextmanager
async def running_owner(folder: Path) -> AsyncIterator[Owner]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(_OWNER), str(folder)),
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_S):
            ready = json.loads(await process.stdout.readline())
        yield Owner(process=process, **ready)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("victim", ["owner", "guard", "guards", "postmaster", "backend", "valkey"])
async def test_a_killed_process_leaves_no_orphan_and_no_row_is_lost(
    tmp_path: Path, victim: str
) -> None:
    async with running_owner(tmp_path / "data") as owner:
        cache = redis.Redis.from_url(owner.redis_url)
        await cache.set("kept", victim)
        await cache.aclose()
        pids = owner.pids
        assert {owner.postgres, owner.backend, owner.valkey} < pids

        for pid in _victims(owner, victim):
            os.kill(pid, signal.SIGKILL)

        if victim == "backend":
            # Postgres itself recovers from that one, and goes on.
            await _until_writable(owner.url)
            owner.process.kill()
        await _until_gone(pids)

    async with running_owner(tmp_path / "data") as again:
        assert again.words == ["start 1"]
        cache = redis.Redis.from_url(again.redis_url)
        assert await cache.get("kept") == victim.encode()
        await cache.aclose()
        pids = again.pids
        again.process.kill()
        await _until_gone(pids)


def _victims(owner: Owner, victim: str) -> list[int]:
    return {
        "owner": [owner.process.pid],
        "guard": [owner.guard_of(owner.postgres)],
        "guards": [owner.guard_of(owner.postgres), owner.guard_of(owner.valkey)],
        "postmaster": [owner.postgres],
        "backend": [owner.backend],
        "valkey": [owner.valkey],
    }[victim]


async def _until_writable(url: str) -> None:
    async with asyncio.timeout(_START_S):
        while True:
            try:
                connection = await asyncpg.connect(url)
                await connection.execute("create temp table proof (x int)")
                await connection.close()
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.02)
            else:
                return


async def _until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + _GONE_S
    while alive := {pid: name for pid in pids if (name := _alive(pid))}:
        assert time.monotonic() < deadline, f"still there after {_GONE_S} s: {alive}"
        await asyncio.sleep(0.02)


def _alive(pid: int) -> str:
    """The command of a process that lives; empty for the dead, zombies included."""
    stat = _stat(pid)
    return "" if stat is None or stat[0] in "ZX" else f"{pid} {_command(pid)}"


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "?"


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _parent(pid: int) -> int:
    stat = _stat(pid)
    assert stat is not None
    return int(stat[1])


def _descendants(pid: int) -> Iterator[int]:
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        if stat := _stat(int(entry.name)):
            below.setdefault(int(stat[1]), []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        for child in below.get(waiting.pop(), []):
            waiting.append(child)
            yield child
