"""The command line: `python -m bench proxy`, or `./tollway bench proxy`."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.commands import check_platform, fail, measured, wide_console
from bench.entitlements import run as entitlements_run
from bench.errors import BenchError
from bench.page import ENTITLEMENTS, PROXY, WEBHOOKS, Part, write_chart, write_page
from bench.program import ROOT
from bench.report import print_result
from bench.requests import Say
from bench.result import Result
from bench.run import Plan, What, run
from bench.stacks.every import EVERY
from bench.stacks.stack import Stack
from bench.webhooks import run as webhooks_run

_QUICK_ROUNDS, _ROUNDS = 3, 6
_QUICK_S, _ROUND_S = 1.0, 4.0
# Of the fifty seconds that are promised, starting and stopping need some.
_QUICK_LIMIT_S = 40.0

_JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the result.")]
_Docs = Annotated[bool, typer.Option("--docs", help="Renew docs/performance.md.")]
_FromFile = Annotated[
    Path | None, typer.Option("--from", help="Tell an earlier --json again; measure nothing.")
]

app = typer.Typer(name="tollway bench", add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Measure Tollway beside others, on this machine."""


@app.command()
def proxy(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="The table alone, within 50 s.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of the table.")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="Of one stack in a round.")] = None,
    only: Annotated[list[What] | None, typer.Option(help="Measure this; may be repeated.")] = None,
    stack: Annotated[
        list[str] | None, typer.Option(help="Put this into the table; may be repeated.")
    ] = None,
    json_file: _JsonFile = None,
    svg_file: Annotated[Path | None, typer.Option("--svg", help="Draw the chart.")] = None,
    docs: _Docs = False,
    from_file: _FromFile = None,
) -> None:
    """Compare one proxied request: CPU time, requests a second, latency, bodies, memory."""
    check_platform("bench")
    console = wide_console()
    plan = Plan(
        what=frozenset(only or ([What.REQUESTS] if quick else What)),
        stacks=_chosen(stack or []),
        rounds=rounds or (_QUICK_ROUNDS if quick else _ROUNDS),
        round_s=seconds or (_QUICK_S if quick else _ROUND_S),
        quick=quick,
        limit_s=_QUICK_LIMIT_S if quick else None,
    )
    try:
        result = _result(lambda: run(plan, _say(console)), from_file)
        print_result(console, result)
        _keep(result, json_file)
        if svg_file is not None:
            write_chart(result, svg_file)
        if docs:
            write_page(result, ROOT / "docs", PROXY)
    except (BenchError, OSError) as error:
        fail(f"bench: {error}", 1)


@app.command()
def webhooks(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer of them, within 50 s.")] = False,
    json_file: _JsonFile = None,
    docs: _Docs = False,
    from_file: _FromFile = None,
) -> None:
    """Measure webhooks: taken a second, applied a second, until every worker knows; memory."""
    check_platform("bench")
    plan = webhooks_run.QUICK if quick else webhooks_run.FULL
    page = WEBHOOKS if docs else None
    _tell(lambda say: webhooks_run.run(plan, say), from_file, json_file, page)


@app.command()
def entitlements(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer of them, within 50 s.")] = False,
    json_file: _JsonFile = None,
    docs: _Docs = False,
    from_file: _FromFile = None,
) -> None:
    """Measure the caches of entitlements: each rung, a crowd, and until every worker knows."""
    check_platform("bench")
    plan = entitlements_run.QUICK if quick else entitlements_run.FULL
    page = ENTITLEMENTS if docs else None
    _tell(lambda say: entitlements_run.run(plan, say), from_file, json_file, page)


def _tell(
    measure: Callable[[Say], Awaitable[Result]],
    from_file: Path | None,
    json_file: Path | None,
    page: Part | None,
) -> None:
    """Measure, or read what was measured; print it, and write what was asked for."""
    console = wide_console()
    try:
        result = _result(lambda: measure(_say(console)), from_file)
        print_result(console, result)
        _keep(result, json_file)
        if page is not None:
            write_page(result, ROOT / "docs", page)
    except (BenchError, OSError) as error:
        fail(f"bench: {error}", 1)


def _say(console: Console) -> Say:
    return lambda line: console.print(line, highlight=False, soft_wrap=True)


def _result(measure: Callable[[], Awaitable[Result]], from_file: Path | None) -> Result:
    if from_file is not None:
        return _read(from_file)
    return measured("bench", measure)


def _keep(result: Result, file: Path | None) -> None:
    if file is not None:
        file.write_text(result.model_dump_json(indent=2) + "\n")


def _read(file: Path) -> Result:
    try:
        return Result.model_validate_json(file.read_text())
    except ValueError as error:
        raise BenchError(f"{file} is no result of this version: {error}") from error


def _chosen(names: list[str]) -> tuple[Stack, ...]:
    known = {stack.name: stack for stack in EVERY}
    for name in names:
        if name not in known:
            fail(f"bench: no stack is named {name}; there are {', '.join(known)}", 2)
    return tuple(stack for stack in EVERY if not names or stack.name in names)


if __name__ == "__main__":
    sys.exit(app())
