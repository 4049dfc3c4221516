"""Climbs the ladder of snapshots as a worker does: `ladder CONFIG IDS READS CROWD IN_CROWD`.

IDS is a file with the ids of clients who have paid, one a line. Prints as JSON what each rung
costs. The process that fills the caches and the one that finds them filled are two sets of
stores in here, each with its own connections and its own listener.
"""

import asyncio
import json
import os
import random
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from statistics import median, quantiles

import structlog

from bench.entitlements.reads import count_reads
from billing.entitlements.memory import MemoryStore
from gateway.clock import wall
from gateway.config.load import load_config
from gateway.config.schema import Config
from gateway.stores import Stores, open_stores
from gateway.wiring.notices import listener_of
from policies.model import Snapshot

_HITS = 200_000
_PACKED = 20_000
_STAMPEDE = 10_000
_AT_ONCE = 32


async def _run(file: Path, ids: list[str], reads: int, crowd: int, in_crowd: int) -> None:
    config = load_config(file, os.environ)
    told: dict[str, float] = {}
    async with _worker(config) as filling, _worker(config) as finding:
        told |= _times("postgres", await _read_all(filling, ids[:reads]))
        await filling.reader.settled()
        begun_at = wall()
        told |= _times("redis", await _read_all(finding, ids[:reads]))
        told["redis_hits"] = _found_before(begun_at, finding, ids[:reads]) / reads
        told |= _hit(finding, ids[0])
        told["packed_ns"] = await _packed(finding, ids[0])
    # One connection, which then knows of all queries that there were.
    alone = config.model_copy(
        update={"database": config.database.model_copy(update={"pool_size": 1})}
    )
    async with _worker(alone) as trampled:
        told |= await _stampede(trampled, ids[-1])
    async with _worker(config) as crowded:
        told |= await _crowd(crowded, crowd, in_crowd)
    print(json.dumps(told))


@asynccontextmanager
async def _worker(config: Config) -> AsyncIterator[Stores]:
    """Open the stores of a worker, which hears of changes."""
    async with AsyncExitStack() as stack:
        stores = await open_stores(config, wall, stack)
        listener = listener_of(config, stores, None)
        task = asyncio.create_task(listener.run())
        await listener.connected.wait()
        try:
            yield stores
        finally:
            task.cancel()


async def _read_all(stores: Stores, ids: Sequence[str]) -> list[float]:
    times = []
    for client_id in ids:
        begun_s = time.perf_counter()
        found = await stores.reader.read(client_id)
        times.append(time.perf_counter() - begun_s)
        if not isinstance(found, Snapshot) or not found.grants:
            raise SystemExit(f"{client_id} was not found: {found}")
    return times


def _times(rung: str, times: Sequence[float]) -> dict[str, float]:
    return {f"{rung}_p50_ms": median(times) * 1e3, f"{rung}_p99_ms": _p99(times) * 1e3}


def _p99(times: Sequence[float]) -> float:
    return quantiles(times, n=100)[98]


def _hit(stores: Stores, client_id: str) -> dict[str, float]:
    """Return what finding a client costs who was here just now."""
    find = stores.reader.find
    begun_s = time.perf_counter()
    for _ in range(_HITS):
        find(client_id)
    return {"hit_ns": (time.perf_counter() - begun_s) / _HITS * 1e9}


async def _packed(stores: Stores, client_id: str) -> float:
    """Return what finding a client costs who was here a while ago: it is kept packed."""
    known = await stores.reader.read(client_id)
    if not isinstance(known, Snapshot):
        raise SystemExit("a client was forgotten")
    memory = MemoryStore(2 * _PACKED, 300.0, time.monotonic)
    ids = [str(uuid.uuid4()) for _ in range(_PACKED)]
    for each in ids:
        memory.put(replace(known, client_id=each))
    # Whatever is found comes to hand, and something else is packed for it.
    begun_s = time.perf_counter()
    for each in ids:
        memory.find_fresh(each)
    return (time.perf_counter() - begun_s) / _PACKED * 1e9


async def _stampede(stores: Stores, client_id: str) -> dict[str, float]:
    """Return how often Postgres was asked when all ask for one client whom nobody knows."""
    before = await count_reads(stores.database)
    begun_s = time.perf_counter()
    found = await asyncio.gather(*(stores.reader.read(client_id) for _ in range(_STAMPEDE)))
    seconds = time.perf_counter() - begun_s
    if any(each is not found[0] for each in found):
        raise SystemExit("a stampede was answered in several ways")
    return {
        "stampede": _STAMPEDE,
        "stampede_ms": seconds * 1e3,
        "stampede_queries": await count_reads(stores.database) - before,
    }


def _found_before(begun_at: datetime, stores: Stores, ids: Sequence[str]) -> int:
    """Return how many of the snapshots in memory had been read from Postgres before."""
    found = [stores.reader.find(client_id) for client_id in ids]
    return sum(each is not None and each.taken_at < begun_at for each in found)


async def _crowd(stores: Stores, size: int, visits: int) -> dict[str, float]:
    """Return how a crowd fares of which few come often (Zipf), and most never fit into memory."""
    chance = random.Random(1)  # noqa: S311 - the same crowd every time
    # Drawn from the first million by their weight, the tail from the rest alike: a table of
    # ten million weights would take longer than the visits.
    head = min(size, 1_000_000)
    weights = list(accumulate(1 / number for number in range(1, head + 1)))
    tail = sum(1 / number for number in range(head, size, 1000)) * 1000
    share = weights[-1] / (weights[-1] + tail)
    ranks = chance.choices(range(head), cum_weights=weights, k=visits)
    names = [
        rank if chance.random() < share else chance.randrange(head, max(size, head + 1))
        for rank in ranks
    ]
    waiting = iter([str(uuid.UUID(int=number)) for number in names])
    hits = 0

    async def visit() -> None:
        nonlocal hits
        for client_id in waiting:
            if stores.reader.find(client_id) is not None:
                hits += 1
            elif not isinstance(await stores.reader.read(client_id), Snapshot):
                raise SystemExit("somebody of the crowd was not answered")

    begun_s, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*(visit() for _ in range(_AT_ONCE)))
    return {
        "crowd_hits": hits / visits,
        "crowd_us": (time.perf_counter() - begun_s) / visits * 1e6,
        "crowd_cpu_us": (time.process_time() - cpu_s) / visits * 1e6,
    }


def main() -> None:
    """Run the program."""
    file, ids, *numbers = sys.argv[1:]
    # Standard output is for the answer.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(_run(Path(file), Path(ids).read_text().split(), *map(int, numbers)))


if __name__ == "__main__":
    main()
