"""A large body down and up, beside nginx, and the memory that it costs us."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from bench.cpu import cpu_s, resident_bytes
from bench.program import command_of, environment, run_program
from bench.result import Figure, Missing, Section, judged
from bench.site import Site, free_port, running
from bench.stacks.nginx import NGINX_BULK
from bench.stacks.stack import Listening, Stack
from bench.stacks.tollway import TOLLWAY
from bench.stats import ratio_of, spread_of
from bench.targets import BODY_GROWTH_MB, BODY_RATIO
from bench.together import all_running

SIZE_BYTES: Final = 1 << 30

_WAYS: Final = {"down": "download", "up": "upload"}
_LOOK_EVERY_S = 0.02
# At 10 MB a second, which no machine of today falls below.
_LIMIT_S = 120.0
_WARM_UP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Moved:
    mb_per_s: list[float] = field(default_factory=list)
    growth_mb: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    """Of the proxy, for a gigabyte."""


async def measure_bodies(site: Site, rounds: int, size_bytes: int = SIZE_BYTES) -> Section:
    """Measure it.

    Raises:
        BenchError: a body did not arrive whole.
    """
    async with _app(site) as there, all_running(there, (TOLLWAY, NGINX_BULK)) as started:
        running = [(s, w) for s, w in started if isinstance(w, Listening)]
        moved = {(s.name, way): _Moved() for s, _ in running for way in _WAYS}
        for _, where in running:
            for way in _WAYS:
                await _move(there, where, way, _WARM_UP_BYTES, _Moved())
        for _ in range(rounds):
            for way in _WAYS:
                for stack, where in running:
                    await _move(there, where, way, size_bytes, moved[stack.name, way])
    absent = [w.why for _, w in started if isinstance(w, Missing)]
    return Section(
        name="bodies",
        title="Large bodies",
        how=(
            f"{size_bytes / 2**30:.3g} GB through one connection, {rounds} times in turns; the"
            " memory is the most that the gateway's processes held meanwhile, less what they"
            " held before"
        ),
        figures=tuple(_figures(moved, [stack for stack, _ in running])),
        missing=absent[0] if absent else None,
    )


@asynccontextmanager
async def _app(site: Site) -> AsyncIterator[Site]:
    """Run the app that sends and takes large bodies; return a site that leads to it."""
    port = free_port()
    log = site.log_of("bulk")
    command = command_of("bulk", "serve", port)
    async with running("bulk", command, log, cores=site.cores.load, port=port, env=environment()):
        yield replace(site, app_port=port, gated_port=port)


async def _move(site: Site, where: Listening, way: str, size: int, into: _Moved) -> None:
    before = resident_bytes(where.pids)
    most = before
    used_s = cpu_s(where.pids)
    moving = asyncio.create_task(
        run_program(
            site.cores.load,
            _LIMIT_S,
            "bulk",
            *(way, where.port, where.host, site.token, size),
        )
    )
    try:
        while not moving.done():
            most = max(most, resident_bytes(where.pids))
            await asyncio.wait((moving,), timeout=_LOOK_EVERY_S)
    finally:
        moving.cancel()
        await asyncio.wait((moving,))
    took_s = moving.result()["seconds"]
    used_s = cpu_s(where.pids) - used_s
    into.mb_per_s.append(size / 1e6 / took_s)
    into.growth_mb.append((most - before) / 1e6)
    into.cpu_ms.append(used_s * 1e12 / size)


def _figures(moved: dict[tuple[str, str], _Moved], stacks: list[Stack]) -> list[Figure]:
    figures = []
    has_peer = any(stack is NGINX_BULK for stack in stacks)
    for way, words in _WAYS.items():
        ours = moved[TOLLWAY.name, way]
        if has_peer:
            ratio = ratio_of(ours.mb_per_s, moved[NGINX_BULK.name, way].mb_per_s)
            figures.append(judged(f"{words}, Tollway through nginx", "", ratio, BODY_RATIO))
        for stack in stacks:
            speed = spread_of(moved[stack.name, way].mb_per_s)
            figures.append(Figure(what=f"{words}, {stack.title}", unit="MB/s", value=speed))
        for stack in stacks:
            cpu = spread_of(moved[stack.name, way].cpu_ms)
            figures.append(
                Figure(what=f"{words}, CPU of 1 GB, {stack.title}", unit="ms", value=cpu)
            )
        growth = spread_of(ours.growth_mb)
        figures.append(judged(f"{words}, more memory, Tollway", "MB", growth, BODY_GROWTH_MB))
    return figures
