"""What a request waits more at half load: through a stack, less straight to the app.

All get the same paced load, half of what our gateway can serve at most here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.app import PATH
from bench.errors import BenchError
from bench.program import run_program
from bench.requests import load_once
from bench.result import Figure, Missing, Section, judged
from bench.site import Site
from bench.stacks.nginx import NGINX_AUTH
from bench.stacks.stack import Listening
from bench.stacks.tollway import TOLLWAY
from bench.stats import spread_of
from bench.targets import ADDED_P50_MS, ADDED_P99_MS
from bench.together import all_running

_PROBE_S = 2.0
_MARGIN_S = 20.0


@dataclass(frozen=True, slots=True)
class _Seen:
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)


async def measure_latency(site: Site, rounds: int, round_s: float) -> Section:
    """Measure it.

    Raises:
        BenchError: a request was not answered, or wrongly.
    """
    direct = Listening(site.app_port, "peer.localhost", ())
    async with all_running(site, (TOLLWAY, NGINX_AUTH)) as started:
        ours = next((w for s, w in started if s is TOLLWAY and isinstance(w, Listening)), None)
        if ours is None:
            raise BenchError("Tollway did not start")
        most = await load_once(site, TOLLWAY, ours, _PROBE_S)
        rate = most.per_s / 2
        ways = [("direct", direct)]
        ways += [(s.title, w) for s, w in started if isinstance(w, Listening)]
        seen = {title: _Seen() for title, _ in ways}
        for _ in range(rounds):
            for title, where in ways:
                await _load(site, where, rate, round_s, seen[title])
    absent = [w.why for _, w in started if isinstance(w, Missing)]
    return Section(
        name="latency",
        title="Latency added at half load",
        how=(
            f"{rate:,.0f} requests a second at random instants, half of what Tollway serves at"
            " most here; a latency counts from when a request is due, and what the same load"
            f" waits straight at the app is taken off; {rounds} rounds of {round_s:g} s"
        ),
        figures=tuple(_figures(seen)),
        missing=absent[0] if absent else None,
    )


async def _load(site: Site, where: Listening, rate: float, seconds: float, seen: _Seen) -> None:
    told = await run_program(
        site.cores.load,
        seconds + _MARGIN_S,
        "pacer",
        *(where.port, where.host, site.token, PATH, rate, seconds),
    )
    if told["wrong"]:
        raise BenchError(f"{told['wrong']:.0f} wrong or missing answers under a paced load")
    seen.p50_ms.append(told["p50_ms"])
    seen.p99_ms.append(told["p99_ms"])


def _figures(seen: dict[str, _Seen]) -> list[Figure]:
    direct = seen["direct"]
    figures = []
    for title, through in seen.items():
        if through is direct:
            continue
        p50 = spread_of(_less(through.p50_ms, direct.p50_ms))
        p99 = spread_of(_less(through.p99_ms, direct.p99_ms))
        if title == TOLLWAY.title:
            figures.append(judged(f"{title}, p50", "ms", p50, ADDED_P50_MS))
            figures.append(judged(f"{title}, p99", "ms", p99, ADDED_P99_MS))
        else:
            figures.append(Figure(what=f"{title}, p50", unit="ms", value=p50))
            figures.append(Figure(what=f"{title}, p99", unit="ms", value=p99))
    return figures


def _less(through: Sequence[float], direct: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(through, direct, strict=True)]
