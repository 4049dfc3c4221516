"""One run: what each rung of the ladder costs, and how soon a change is known everywhere."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median, quantiles
from typing import Final

from bench.answering import open_app
from bench.cores import choose_cores, raise_file_limit
from bench.entitlements import spread
from bench.entitlements.shop import Shop, add_paid, open_shop
from bench.machine import machine_facts
from bench.program import run_program
from bench.requests import Say
from bench.result import Figure, Result, Section, judged
from bench.stats import Spread, spread_of
from bench.targets import (
    CLIENT_BYTES,
    HEARD_P99_MS,
    MISS_POSTGRES_MS,
    MISS_REDIS_MS,
    STAMPEDE_QUERIES,
)

_LIMIT_S: Final = 300.0
# The edges of the histogram, in milliseconds.
_EDGES_MS: Final = (5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    reads: int
    crowd: int
    in_crowd: int
    remembered: int
    commits: int
    quick: bool


FULL: Final = Plan(5_000, 10_000_000, 400_000, 1_000_000, 1_000, quick=False)
QUICK: Final = Plan(1_000, 10_000_000, 20_000, 1_000_000, 200, quick=True)


async def run(plan: Plan, say: Say) -> Result:
    """Measure; nothing of it is left running, however it ends.

    Raises:
        BenchError: something did not start, or was answered wrongly.
    """
    raise_file_limit()
    cores = choose_cores()
    machine = await asyncio.to_thread(machine_facts, cores)
    async with open_app() as app_url, open_shop(app_url) as shop:
        say(f"{plan.remembered:,} clients in memory …")
        remembered = await run_program(cores.proxy, _LIMIT_S, "remembered", plan.remembered)
        say("memory, Valkey, Postgres …")
        told = await _climb(shop, plan, cores.proxy)
        say(f"{plan.commits} commits, {spread.WORKERS} workers …")
        heard = await spread.measure(shop, plan.commits)
    sections = (_rungs(plan, told, remembered["bytes"]), _crowd(plan, told), _heard(plan, heard))
    return Result(at=datetime.now(UTC), quick=plan.quick, machine=machine, sections=sections)


async def _climb(shop: Shop, plan: Plan, cores: str | None) -> dict[str, float]:
    names = [f"bench-{number}" for number in range(plan.reads + 1)]
    ids = shop.folder / "ids"
    ids.write_text("\n".join(await add_paid(shop.database, names)))
    return await run_program(
        cores,
        _LIMIT_S,
        "ladder",
        *(shop.file, ids, plan.reads, plan.crowd, plan.in_crowd),
        env=shop.environment,
    )


def _rungs(plan: Plan, told: dict[str, float], bytes_each: float) -> Section:
    return Section(
        name="rungs",
        title="What a look at a client's snapshot costs",
        how=(
            f"{plan.reads:,} clients who have paid, one after the other, as a worker on one core"
            " looks them up; a miss includes all that keeps the caches right. Memory is what a"
            f" process has grown by with {plan.remembered:,} clients, of three grants each. In the"
            f" stampede {told['stampede']:,.0f} ask at once for one client whom no cache knows"
        ),
        figures=(
            _figure("found in memory, at hand", "ns", told["hit_ns"]),
            _figure("found in memory, packed", "ns", told["packed_ns"]),
            judged("found in Valkey, p50", "ms", _one(told["redis_p50_ms"]), MISS_REDIS_MS),
            _figure("found in Valkey, p99", "ms", told["redis_p99_ms"]),
            _figure("of these Valkey had", "%", told["redis_hits"] * 100),
            judged("found in Postgres, p50", "ms", _one(told["postgres_p50_ms"]), MISS_POSTGRES_MS),
            _figure("found in Postgres, p99", "ms", told["postgres_p99_ms"]),
            judged("memory of a client", "B", _one(bytes_each), CLIENT_BYTES),
            judged("stampede", "queries", _one(told["stampede_queries"]), STAMPEDE_QUERIES),
            _figure("stampede, all answered after", "ms", told["stampede_ms"]),
        ),
    )


def _crowd(plan: Plan, told: dict[str, float]) -> Section:
    return Section(
        name="crowd",
        title="A crowd that does not fit",
        how=(
            f"{plan.in_crowd:,} visits of {plan.crowd:,} clients, of whom few come often (Zipf,"
            " s = 1); a worker remembers 100,000, begins with none, and has Valkey and Postgres"
            " behind it"
        ),
        figures=(
            _figure("found in memory", "%", told["crowd_hits"] * 100),
            _figure("a visit, CPU of the worker", "µs", told["crowd_cpu_us"]),
            _figure("a visit, 32 at once", "µs", told["crowd_us"]),
        ),
    )


def _heard(plan: Plan, heard: Sequence[float]) -> Section:
    times_ms = [seconds * 1e3 for seconds in heard]
    p99 = quantiles(times_ms, n=100)[98]
    edges = (0, *_EDGES_MS, math.inf)
    return Section(
        name="heard",
        title="From a commit until every worker acts on it",
        how=(
            f"{plan.commits} commits, in turns a payment and its end, and {spread.WORKERS} workers"
            " of `tollway serve`, each asked again and again over a connection of its own until"
            " its answer is the new one"
        ),
        figures=(
            _figure("p50", "ms", median(times_ms)),
            judged("p99", "ms", _one(p99), HEARD_P99_MS),
            _figure("max", "ms", max(times_ms)),
            *(
                _figure(
                    f"under {most} ms" if most < math.inf else f"{least} ms and more",
                    "%",
                    100 * sum(least <= each < most for each in times_ms) / len(times_ms),
                )
                for least, most in pairwise(edges)
            ),
        ),
    )


def _figure(what: str, unit: str, value: float) -> Figure:
    return Figure(what=what, unit=unit, value=_one(value))


def _one(value: float) -> Spread:
    return spread_of([value])
