"""The table: CPU and requests a second of every stack, in alternating rounds.

All stacks run from the first round to the last; those that wait use no CPU. A round asks
each of them once, so that a noisy minute of the machine hits all alike.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.app import PATH
from bench.check import check_answers, check_counted, check_gated, count
from bench.cores import pinned
from bench.cpu import cpu_s
from bench.errors import BenchError
from bench.result import Missing, Ratio, Requests, Sample, StackFigures
from bench.site import Site
from bench.stacks.stack import Listening, Stack
from bench.stats import ratio_of, spread_of
from bench.targets import CPU_RATIOS
from bench.together import all_running
from bench.wrk import CONNECTIONS, run_wrk

OURS = "tollway"

_WARM_UP_S = 1.0

Say = Callable[[str], None]
"""Tells the reader in a line what goes on."""


@dataclass(frozen=True, slots=True)
class _Measured:
    stack: Stack
    where: Listening
    samples: list[Sample]


async def measure_requests(
    site: Site,
    stacks: Sequence[Stack],
    rounds: int,
    round_s: float,
    say: Say,
    ends_s: float | None = None,
) -> Requests:
    """Measure every stack that can run here.

    A round that would most likely last beyond `ends_s` (monotonic) is not begun, except
    the first.

    Raises:
        BenchError: none can, or one answered wrongly.
    """
    async with all_running(site, stacks) as started:
        running = [_Measured(s, w, []) for s, w in started if isinstance(w, Listening)]
        missing = [w for _, w in started if isinstance(w, Missing)]
        for absent in missing:
            if absent.name == OURS:
                raise BenchError(absent.why)
            say(f"{absent.title}: not measured, {absent.why}")
        if not running:
            raise BenchError("none of the stacks can run here")
        for each in running:
            await _warm_up(site, each)
        done = 0
        round_took_s = 0.0
        while done < rounds and (done == 0 or _is_time_left(ends_s, round_took_s)):
            began_s = time.monotonic()
            for each in running:
                each.samples.append(await load_once(site, each.stack, each.where, round_s))
            done += 1
            round_took_s = time.monotonic() - began_s
            say(f"round {done} of {rounds}: " + ", ".join(map(_last, running)))
        for each in running:
            await check_answers(site, each.stack, each.where)
    return _summed_up(running, missing, done, round_s)


async def load_once(
    site: Site, stack: Stack, where: Listening, seconds: float, *, script: Path | None = None
) -> Sample:
    """Load one stack, and count what its processes used meanwhile.

    A `script` for wrk may choose each request.

    Raises:
        BenchError: one of the answers was wrong.
    """
    headers = {
        "Host": where.host,
        "Accept": "application/json",
        "Authorization": f"Bearer {site.token}",
    }
    url = f"http://127.0.0.1:{where.port}{PATH}"
    before = await count(site)
    used_s = cpu_s(where.pids)
    counted = await run_wrk(pinned(site.cores.load, []), url, headers, seconds, script=script)
    used_s = cpu_s(where.pids) - used_s
    after = await count(site)
    check_counted(stack, counted, before, after, asks=where.asks)
    return Sample(requests=counted.requests, seconds=counted.seconds, cpu_s=used_s)


async def _warm_up(site: Site, each: _Measured) -> None:
    await check_answers(site, each.stack, each.where)
    if each.stack.name == OURS:
        await check_gated(site, each.where)
    await load_once(site, each.stack, each.where, _WARM_UP_S)


def _is_time_left(ends_s: float | None, round_s: float) -> bool:
    return ends_s is None or time.monotonic() + round_s < ends_s


def _last(each: _Measured) -> str:
    return f"{each.stack.name} {each.samples[-1].cpu_us:.0f} µs"


def _summed_up(
    running: Sequence[_Measured], missing: Sequence[Missing], rounds: int, round_s: float
) -> Requests:
    stacks = tuple(map(_figures, running))
    return Requests(
        connections=CONNECTIONS,
        rounds=rounds,
        round_s=round_s,
        stacks=stacks,
        missing=tuple(missing),
        ratios=ratios_of(stacks),
    )


def _figures(each: _Measured) -> StackFigures:
    return StackFigures(
        name=each.stack.name,
        title=each.stack.title,
        does=each.stack.does,
        samples=tuple(each.samples),
        cpu_us=spread_of([sample.cpu_us for sample in each.samples]),
        per_s=spread_of([sample.per_s for sample in each.samples]),
    )


def ratios_of(stacks: Sequence[StackFigures]) -> tuple[Ratio, ...]:
    """Return our CPU for a request through that of each other stack, if we took part."""
    ours = next((stack for stack in stacks if stack.name == OURS), None)
    if ours is None:
        return ()
    return tuple(_ratio(ours, other) for other in stacks if other is not ours)


def _ratio(ours: StackFigures, other: StackFigures) -> Ratio:
    ratio = ratio_of([s.cpu_us for s in ours.samples], [s.cpu_us for s in other.samples])
    target = CPU_RATIOS.get(other.name)
    return Ratio(
        against=other.name,
        title=other.title,
        ratio=ratio,
        target=target,
        met=target.judge(ratio.median) if target else None,
    )
