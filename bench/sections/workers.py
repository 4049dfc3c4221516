"""Two workers beside one, on the same cores and under the same load.

On two cores the app and the load need a part of them, so that two workers cannot serve
twice as much there. What a second worker costs is then told by the CPU of a request.
"""

import subprocess
import sys
from dataclasses import replace
from typing import Final

from bench.errors import BenchError
from bench.program import environment
from bench.requests import load_once
from bench.result import Figure, Missing, Sample, Section, judged
from bench.site import Site
from bench.stacks.stack import Listening
from bench.stacks.tollway import Tollway
from bench.stats import ratio_of, spread_of
from bench.targets import TWO_WORKERS
from bench.together import all_running

_ONE: Final = Tollway(name="one-worker", title="one worker", on_pair=True)
_TWO: Final = Tollway(name="two-workers", title="two workers", on_pair=True, workers=2)
_TITLE: Final = "Two workers beside one"
_WARM_UP_S = 1.0
_HELP_TIMEOUT_S = 60.0


async def measure_workers(site: Site, rounds: int, round_s: float) -> Section:
    """Measure it, if this version of the gateway has workers.

    Raises:
        BenchError: one of the answers was wrong.
    """
    if not _has_workers():
        return Section(
            name="workers",
            title=_TITLE,
            how="",
            missing="`tollway serve` has no --workers in this version",
        )
    cores = replace(site.cores, load=site.cores.pair_load)
    there = replace(site, cores=cores)
    samples: dict[str, list[Sample]] = {_ONE.name: [], _TWO.name: []}
    async with all_running(there, (_ONE, _TWO)) as started:
        for stack, where in started:
            if isinstance(where, Missing):
                raise BenchError(f"{stack.title}: {where.why}")
            await load_once(there, stack, where, _WARM_UP_S)
        for _ in range(rounds):
            for stack, where in started:
                if isinstance(where, Listening):
                    samples[stack.name].append(await load_once(there, stack, where, round_s))
    return _section(samples[_ONE.name], samples[_TWO.name], rounds, apart=cores.are_apart)


def _section(one: list[Sample], two: list[Sample], rounds: int, *, apart: bool) -> Section:
    served = ratio_of([s.per_s for s in two], [s.per_s for s in one])
    # Were there cores for both and for the load, a second worker would lose only what a
    # request then costs more; where it costs less, that is noise, and two are twice one.
    dearer = [max(s.cpu_us, t.cpu_us) for s, t in zip(one, two, strict=True)]
    cost = ratio_of([2 * s.cpu_us for s in one], dearer)
    how = f"{rounds} rounds in turns on the same cores; "
    if apart:
        how += "load and app have cores of their own"
        figures = [judged("requests a second, two through one", "", served, TWO_WORKERS)]
    else:
        how += (
            "the load and the app need a part of the same cores, so that two workers cannot serve"
            " twice as much here; what the target is held against is twice the CPU of a request"
            " with one worker through that with two (at most 2), which is what two workers would"
            " serve on cores of their own"
        )
        figures = [
            judged("two through one, by the CPU of a request", "", cost, TWO_WORKERS),
            Figure(what="requests a second, two through one", unit="", value=served),
        ]
    for words, samples in (("one worker", one), ("two workers", two)):
        value = spread_of([s.cpu_us for s in samples])
        figures.append(Figure(what=f"CPU of a request, {words}", unit="µs", value=value))
    return Section(name="workers", title=_TITLE, how=how, figures=tuple(figures))


def _has_workers() -> bool:
    told = subprocess.run(
        [sys.executable, "-P", "-m", "gateway", "serve", "--help"],
        capture_output=True,
        text=True,
        timeout=_HELP_TIMEOUT_S,
        check=False,
        env={**environment(), "COLUMNS": "200"},
    )
    return "--workers" in told.stdout
