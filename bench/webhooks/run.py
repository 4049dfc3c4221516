"""One run: many events are taken in while nobody applies them, and then they are applied.

So the inbox is as long as it can get, and what its worker needs for it is seen apart from
what taking events in costs.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bench.cores import choose_cores, raise_file_limit
from bench.cpu import cpu_s, resident_bytes
from bench.errors import BenchError
from bench.machine import machine_facts
from bench.program import run_program
from bench.requests import Say
from bench.result import Figure, Result, Section, judged
from bench.stats import Spread, spread_of
from bench.targets import ACCEPTED_PER_S, DRAIN_GROWTH_MB
from bench.webhooks.events import Sent, write_events
from bench.webhooks.inbox import check_applied, check_taken, count_waiting, looking
from bench.webhooks.opening import measure_opening
from bench.webhooks.sellers import API_VERSION, Sandbox, end_some, sell
from bench.webhooks.shop import Serving, Shop, open_shop, serving

_CONNECTIONS: Final = 32
_LOOK_EVERY_S = 0.25
_WARM_SHARE: Final = 10
# Per second at the very least, so that a run that hangs ends.
_SLOWEST_PER_S: Final = 50
_MARGIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How many subscriptions, deliveries of events about them, and clients who pay again."""

    subscriptions: int
    deliveries: int
    openings: int
    quick: bool


FULL: Final = Plan(subscriptions=2000, deliveries=100_000, openings=200, quick=False)
QUICK: Final = Plan(subscriptions=150, deliveries=6000, openings=15, quick=True)


async def run(plan: Plan, say: Say) -> Result:
    """Measure; nothing of it is left running, however it ends.

    Raises:
        BenchError: something did not start, was answered wrongly, or came out wrong.
    """
    raise_file_limit()
    cores = choose_cores()
    machine = await asyncio.to_thread(machine_facts, cores)
    async with (
        open_shop(cores) as shop,
        Sandbox(shop.sandbox_url, shop.secrets.STRIPE_SECRET_KEY) as sandbox,
    ):
        say(f"{plan.subscriptions:,} subscriptions …")
        key = shop.secrets.TOLLWAY_DATA_KEY
        sold = await sell(sandbox, shop.database_url, key, shop.host, plan.subscriptions)
        sent = write_events(
            shop.folder / "events",
            sold.subscriptions,
            plan.deliveries,
            int(time.time()),
            API_VERSION,
        )
        await end_some(sandbox, sold)
        say(f"{sent.deliveries:,} webhooks, taken in …")
        async with serving(shop, applies=False) as where:
            taken = await _take(shop, where, sent)
        say(f"{sent.distinct:,} events, applied …")
        async with serving(shop, applies=True) as where:
            applied = await _apply(shop, where, sent, await sandbox.list_subscriptions())
        say("and who has paid again, let in …")
        opening = await measure_opening(shop, sandbox, sold, plan.openings)
    return Result(
        at=datetime.now(UTC), quick=plan.quick, machine=machine, sections=(taken, applied, opening)
    )


async def _take(shop: Shop, where: Serving, sent: Sent) -> Section:
    ours = (where.pid, shop.database_pid)
    before_s = cpu_s(ours), cpu_s([where.pid])
    told = await run_program(
        shop.cores.load,
        sent.deliveries / _SLOWEST_PER_S + _MARGIN_S,
        "sender",
        *(sent.file, where.port, shop.host, shop.secrets.STRIPE_WEBHOOK_SECRET, _CONNECTIONS),
    )
    used_s = cpu_s(ours) - before_s[0], cpu_s([where.pid]) - before_s[1]
    if told["refused"] or told["sent"] != sent.deliveries:
        raise BenchError(f"of {sent.deliveries} webhooks {told['refused']:.0f} were refused")
    async with looking(shop.database_url) as connection:
        await check_taken(connection, sent.distinct)
    per_s = told["sent"] / told["seconds"]
    return Section(
        name="taken",
        title="Webhooks taken",
        how=(
            f"{sent.deliveries:,} signed webhooks of {sent.distinct:,} events, each sent twice and"
            f" all shuffled, over {_CONNECTIONS} connections; verified, stored (fsync) and answered"
            " by a gateway and a Postgres that share one core; nothing is applied meanwhile"
        ),
        figures=(
            judged("taken", "a second per core", _one(per_s), ACCEPTED_PER_S),
            # What it would be on a core that has nothing else to do.
            Figure(
                what="taken, by the CPU of one",
                unit="a second per core",
                value=_one(told["sent"] / used_s[0]),
            ),
            Figure(what="answered, p50", unit="ms", value=_one(told["p50_ms"])),
            Figure(what="answered, p99", unit="ms", value=_one(told["p99_ms"])),
            Figure(
                what="CPU of one, gateway and Postgres",
                unit="µs",
                value=_one(used_s[0] / told["sent"] * 1e6),
            ),
            Figure(
                what="CPU of one, gateway", unit="µs", value=_one(used_s[1] / told["sent"] * 1e6)
            ),
        ),
    )


async def _apply(shop: Shop, where: Serving, sent: Sent, sold: list[dict[str, Any]]) -> Section:
    memory: list[tuple[int, int]] = []
    start_s = time.perf_counter()
    ends_s = start_s + sent.distinct / _SLOWEST_PER_S + _MARGIN_S
    async with looking(shop.database_url) as connection:
        first = waiting = await count_waiting(connection)
        while waiting:
            if time.perf_counter() > ends_s:
                raise BenchError(f"{waiting} of {first} events still wait")
            await asyncio.sleep(_LOOK_EVERY_S)
            waiting = await count_waiting(connection)
            memory.append((waiting, resident_bytes([where.pid])))
        seconds = time.perf_counter() - start_s
        await check_applied(connection, sold)
    return Section(
        name="applied",
        title="Webhooks applied",
        how=(
            f"{first:,} events about {len(sold):,} subscriptions wait when the gateway starts; each"
            " is about one object, which is read from the payment sandbox under its lock and"
            " written with grants and audit; events about one object are settled together"
        ),
        figures=(
            Figure(what="events", unit="a second", value=_one(first / seconds)),
            judged("memory while it lasts", "MB", _one(_growth(memory, first)), DRAIN_GROWTH_MB),
        ),
    )


def _growth(memory: list[tuple[int, int]], first: int) -> float:
    """Return by how many MB memory grew, from when a tenth was done on."""
    warm = [held for waiting, held in memory if waiting <= first - first // _WARM_SHARE]
    return (max(warm) - warm[0]) / 1e6 if warm else 0.0


def _one(value: float) -> Spread:
    return spread_of([value])
