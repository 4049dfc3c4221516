"""One run: the app, the table, and the sections that were chosen, one after the other."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bench.app import run_app
from bench.cores import choose_cores, raise_file_limit
from bench.machine import machine_facts
from bench.report import busy_note
from bench.requests import Say, measure_requests
from bench.result import Requests, Result, Section
from bench.sections.bodies import measure_bodies
from bench.sections.latency import measure_latency
from bench.sections.mixed import measure_mixed
from bench.sections.websockets import measure_websockets
from bench.sections.workers import measure_workers
from bench.site import Site, free_port, temporary_folder
from bench.stacks.stack import Stack
from bench.stacks.tollway import make_token
from bench.wrk import get_wrk

# Rounds and seconds of what is measured beside the table.
_ROUNDS = 4
_ROUND_S = 3.0


class What(StrEnum):
    """What can be measured."""

    REQUESTS = "requests"
    MIXED = "mixed"
    LATENCY = "latency"
    BODIES = "bodies"
    WEBSOCKETS = "websockets"
    WORKERS = "workers"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run shall do. Within `limit_s` no further round of the table begins."""

    what: frozenset[What]
    stacks: Sequence[Stack]
    rounds: int
    round_s: float
    quick: bool
    limit_s: float | None


async def run(plan: Plan, say: Say) -> Result:
    """Measure; nothing of it is left running, however it ends.

    Raises:
        BenchError: something did not start, or answered wrongly.
    """
    ends_s = None if plan.limit_s is None else time.monotonic() + plan.limit_s
    # Told before anything is started, not by the first that needs it.
    get_wrk()
    raise_file_limit()
    cores = choose_cores()
    if not cores.can_pin:
        say("nothing is pinned: this needs two cores and taskset")
    # Before anything of ours makes it busy.
    machine = await asyncio.to_thread(machine_facts, cores)
    if machine.was_busy:
        say(f"the machine is busy with something else: {busy_note(machine)}")
    key = secrets.token_hex(32)
    with temporary_folder("tollway-bench-") as folder:
        ports = [free_port() for _ in range(3)]
        site = Site(folder, cores, make_token(key), key, *ports)
        async with run_app(site):
            requests = await _table(site, plan, say, ends_s)
            sections = [
                await _section(site, what, say)
                for what in What
                if what in plan.what and what is not What.REQUESTS
            ]
    return Result(
        at=datetime.now(UTC),
        quick=plan.quick,
        machine=machine,
        requests=requests,
        sections=tuple(sections),
    )


async def _table(site: Site, plan: Plan, say: Say, ends_s: float | None) -> Requests | None:
    if What.REQUESTS not in plan.what:
        return None
    return await measure_requests(site, plan.stacks, plan.rounds, plan.round_s, say, ends_s)


async def _section(site: Site, what: What, say: Say) -> Section:
    say(f"{what} …")
    match what:
        case What.MIXED:
            return await measure_mixed(site, _ROUNDS, _ROUND_S)
        case What.LATENCY:
            return await measure_latency(site, _ROUNDS, _ROUND_S)
        case What.BODIES:
            return await measure_bodies(site, _ROUNDS)
        case What.WEBSOCKETS:
            return await measure_websockets(site)
        case _:
            return await measure_workers(site, _ROUNDS, _ROUND_S)
