"""One soak, from the first start to the verdict."""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bench.answering import open_app
from bench.cores import choose_cores, raise_file_limit
from bench.errors import BenchError
from bench.machine import machine_facts
from bench.requests import Say
from bench.result import Figure, Section, judged
from bench.soak.clients import Visits, ticking
from bench.soak.growth import Growth, grown, more_tasks
from bench.soak.payments import Payments
from bench.soak.place import Place, open_place
from bench.soak.result import SoakResult, broken_of, memory_of, timeline_of
from bench.soak.troubles import Troubles
from bench.stats import Spread, spread_of
from bench.targets import NONE, SOAK_GROWTH_FILES, SOAK_GROWTH_MB, SOAK_GROWTH_TASKS
from bench.trouble.verdicts import Answer, Fault, Judge, Promise, Seen
from billing.crypto.keyring import KeyRing
from billing.storage.pool import Database

WORKERS: Final = 4
_ASKERS: Final = 8
_STREAMS: Final = 12
_PROMISE: Final = Promise(hears_s=1.0, refuses_on_s=5.0, recovers_s=8.0)
# Undisturbed, before the first trouble and after the last.
_CALM_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and from which seed what happens is drawn."""

    minutes: float
    seed: int


async def run(plan: Plan, say: Say) -> SoakResult:
    """Soak; nothing of it is left running, however it ends.

    Raises:
        BenchError: something did not start, or ended.
    """
    raise_file_limit()
    machine = await asyncio.to_thread(machine_facts, choose_cores())
    chance = random.Random(plan.seed)  # noqa: S311 - a seed is the point
    async with open_app(ticking()) as app_url, open_place(app_url, WORKERS) as place:
        ring = KeyRing.of([place.secrets.TOLLWAY_DATA_KEY])
        database = await Database.open(place.database_url, size=2, ring=ring, at_once=False)
        try:
            payments = Payments(database, chance)
            await payments.begin()
            say(f"{WORKERS} workers, {plan.minutes:g} minutes, seed {plan.seed} …")
            visits = Visits(place.port, place.secrets.TOLLWAY_TOKEN_KEY, chance)
            troubles, growth = Troubles(place, payments, chance), Growth(place)
            begun_s = time.time()
            await _disturb(plan, place, payments, visits, troubles, growth)
        finally:
            await database.close()
    seconds = time.time() - begun_s
    judge = Judge(payments.history, troubles.outages, _PROMISE)
    faults, first = judge.count(visits.seen)
    memory_mb, files = grown(growth.samples)
    figures = (
        *(judged(f"{fault}s", "", _one(faults[fault]), NONE) for fault in Fault),
        judged("memory of a process", "MB more", _one(memory_mb), SOAK_GROWTH_MB),
        judged("file descriptors of a process", "more", _one(files), SOAK_GROWTH_FILES),
        judged("tasks of a process", "more", _one(more_tasks(growth.tasks)), SOAK_GROWTH_TASKS),
        *(_count(f"answers: {answer}", _of(visits.seen, answer)) for answer in Answer),
        _count("changes of what clients hold", sum(map(len, payments.history.changes.values()))),
        _count("troubles", len(troubles.outages)),
        _count("looks at tasks", sum(map(len, growth.tasks.values()))),
    )
    how = (
        f"{WORKERS} workers, {_ASKERS} clients that ask, {_STREAMS} WebSockets and event streams,"
        " and one trouble after the other"
    )
    return SoakResult(
        at=datetime.now(UTC),
        seed=plan.seed,
        seconds=seconds,
        machine=machine,
        section=Section(name="soak", title="Soak", how=how, figures=figures),
        faults=tuple(_in_words(fault, seen, begun_s) for fault, seen in first),
        timeline=timeline_of(visits.seen, begun_s, seconds),
        broken=broken_of(troubles.outages, begun_s),
        memory=memory_of(growth.samples, begun_s),
    )


def is_clean(result: SoakResult) -> bool:
    """Tell whether nothing happened that must not, and nothing grew."""
    return all(
        figure.met is None or figure.met != "floor missed" for figure in result.section.figures
    )


async def _disturb(
    plan: Plan,
    place: Place,
    payments: Payments,
    visits: Visits,
    troubles: Troubles,
    growth: Growth,
) -> None:
    """Let clients come, pay and be disturbed, and then have some calm."""
    ends_s = asyncio.get_running_loop().time() + plan.minutes * 60 - 2 * _CALM_S

    async def trouble() -> None:
        await asyncio.sleep(_CALM_S)
        await troubles.run(ends_s)
        await asyncio.sleep(_CALM_S + _PROMISE.recovers_s)

    working = [
        asyncio.create_task(work, name=name)
        for name, work in (
            ("troubles", trouble()),
            ("payments", payments.run()),
            ("visits", visits.run(_ASKERS, _STREAMS)),
            ("growth", growth.run()),
            ("gateway", _watch(place)),
        )
    ]
    try:
        done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in working:
            task.cancel()
        for task in working:
            with contextlib.suppress(asyncio.CancelledError, BenchError):
                await task


async def _watch(place: Place) -> None:
    ended = await place.gateway.wait_died()
    raise BenchError(f"the gateway ended: {ended}: {place.explain()}")


def _of(seen: list[Seen], answer: Answer) -> int:
    return sum(each.answer is answer for each in seen)


def _in_words(fault: Fault, seen: Seen, begun_s: float) -> str:
    return (
        f"{fault}: client {seen.client} was told {seen.answer} ({seen.how}) between"
        f" {seen.begun_s - begun_s:.2f} and {seen.ended_s - begun_s:.2f} s"
    )


def _count(what: str, number: int) -> Figure:
    return Figure(what=what, unit="", value=_one(number))


def _one(value: float) -> Spread:
    return spread_of([value])
