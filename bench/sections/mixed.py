"""The table again, with no two requests alike, in two ways.

In the table all requests are the same, and so are the answers, which flatters whoever
remembers. Here every request asks for another path and query, and each answer has a field
that was never seen before. In the first way a connection belongs to one client, as when
visitors come straight; in the second each request is another client's, as when they come
through a load balancer.
"""

from pathlib import Path
from typing import Final

from bench.app import MIXED
from bench.errors import BenchError
from bench.requests import load_once
from bench.result import Figure, Missing, Sample, Section, judged
from bench.site import Site
from bench.stacks.nginx import NGINX_AUTH
from bench.stacks.stack import Listening, Stack
from bench.stacks.tollway import CLIENTS, TOLLWAY, make_token
from bench.stats import ratio_of, spread_of
from bench.targets import CPU_RATIOS
from bench.together import all_running
from bench.wrk import CONNECTIONS

# Of each connection, before the first comes again.
_REQUESTS: Final = 509
_WARM_UP_S = 2.0
# A thread of wrk has a state of its own, and here one connection.
_LUA: Final = """\
local threads = 0
function setup(thread) thread:set("id", threads); threads = threads + 1 end
local number, requests = 0, {{}}
local tokens = {{ {tokens} }}
function init()
  for i = 1, {count} do
    local client = {is_shared} and i + id * 7 or id
    local page = i + id * {count}
    requests[i] = wrk.format("GET", "{path}" .. page .. "?page=" .. page * 7, {{
      ["Host"] = "{host}", ["Accept"] = "application/json",
      ["Authorization"] = "Bearer " .. tokens[client % #tokens + 1],
      ["User-Agent"] = "client/" .. client,
    }})
  end
end
function request()
  number = number % {count} + 1
  return requests[number]
end
"""
_WAYS: Final = {"own": "own connections", "shared": "shared connections"}


async def measure_mixed(site: Site, rounds: int, round_s: float) -> Section:
    """Measure it.

    Raises:
        BenchError: an answer was wrong.
    """
    tokens = [make_token(site.token_key, number) for number in range(CLIENTS)]
    samples: dict[tuple[str, str], list[Sample]] = {}
    async with all_running(site, (TOLLWAY, NGINX_AUTH)) as started:
        running = [(s, w) for s, w in started if isinstance(w, Listening)]
        if all(stack is not TOLLWAY for stack, _ in running):
            raise BenchError("Tollway did not start")
        for way in _WAYS:
            scripts = {s.name: _script(site, s, w, tokens, way) for s, w in running}
            for stack, where in running:
                await load_once(site, stack, where, _WARM_UP_S, script=scripts[stack.name])
            for _ in range(rounds):
                for stack, where in running:
                    script = scripts[stack.name]
                    sample = await load_once(site, stack, where, round_s, script=script)
                    samples.setdefault((way, stack.name), []).append(sample)
    absent = [w.why for _, w in started if isinstance(w, Missing)]
    return Section(
        name="mixed",
        title="Mixed requests",
        how=(
            f"{CONNECTIONS * _REQUESTS:,} paths and queries, and a field in each answer that"
            f" was never seen before; {CLIENTS} clients, each either with connections of its"
            f" own or in turns on all; {rounds} rounds of {round_s:g} s"
        ),
        figures=tuple(_figures(samples)),
        missing=absent[0] if absent else None,
    )


def _script(site: Site, stack: Stack, where: Listening, tokens: list[str], way: str) -> Path:
    file = site.folder / f"mixed-{way}-{stack.name}.lua"
    text = _LUA.format(
        tokens=", ".join(f'"{token}"' for token in tokens),
        count=_REQUESTS,
        is_shared=str(way == "shared").lower(),
        host=where.host,
        path=MIXED,
    )
    file.write_text(text)
    return file


def _figures(samples: dict[tuple[str, str], list[Sample]]) -> list[Figure]:
    figures = []
    for way, words in _WAYS.items():
        found = {name: s for (its_way, name), s in samples.items() if its_way == way}
        cpu = {name: [sample.cpu_us for sample in each] for name, each in found.items()}
        for stack in (TOLLWAY, NGINX_AUTH):
            if stack.name in cpu:
                value = spread_of(cpu[stack.name])
                figures.append(Figure(what=f"{words}, {stack.title}", unit="µs", value=value))
        if NGINX_AUTH.name in cpu:
            ratio = ratio_of(cpu[TOLLWAY.name], cpu[NGINX_AUTH.name])
            figures.append(judged(f"{words}, ratio", "", ratio, CPU_RATIOS[NGINX_AUTH.name]))
    return figures
