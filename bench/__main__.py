"""The command line: `python -m bench proxy`, or `./tollway bench proxy`."""

import asyncio
import secrets
import sys
import tempfile
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.app import run_app
from bench.cores import choose_cores, raise_file_limit
from bench.errors import BenchError
from bench.machine import machine_facts
from bench.report import print_result
from bench.requests import measure_requests
from bench.result import Result
from bench.site import Site, free_port
from bench.stacks.every import EVERY
from bench.stacks.stack import Stack
from bench.stacks.tollway import make_token

_QUICK_ROUNDS, _ROUNDS = 3, 6
_QUICK_S, _ROUND_S = 1.0, 4.0
_WIDTH_CHARS = 120

app = typer.Typer(name="bench", add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Measure Tollway beside others."""


@app.command()
def proxy(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Within 50 seconds.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of all stacks.")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="Of a stack in a round.")] = None,
    stack: Annotated[list[str] | None, typer.Option(help="Only this one; repeat it.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where the result is written as JSON.")
    ] = None,
) -> None:
    """Compare one proxied request, in CPU time and in requests a second."""
    stacks = _chosen(stack or [])
    console = Console()
    console.width = max(console.width, _WIDTH_CHARS)
    result = _run(
        _measure(
            stacks,
            rounds or (_QUICK_ROUNDS if quick else _ROUNDS),
            seconds or (_QUICK_S if quick else _ROUND_S),
            console,
            quick=quick,
        )
    )
    print_result(console, result)
    if json_file is not None:
        json_file.write_text(result.model_dump_json(indent=2) + "\n")


async def _measure(
    stacks: tuple[Stack, ...], rounds: int, seconds: float, console: Console, *, quick: bool
) -> Result:
    raise_file_limit()
    cores = choose_cores()
    key = secrets.token_hex(32)
    with tempfile.TemporaryDirectory(prefix="tollway-bench-", ignore_cleanup_errors=True) as folder:
        site = Site(
            Path(folder), cores, make_token(key), key, free_port(), free_port(), free_port()
        )
        async with run_app(site):
            requests = await measure_requests(
                site, stacks, rounds, seconds, lambda line: console.print(line, highlight=False)
            )
    return Result(
        at=datetime.now(UTC), quick=quick, machine=machine_facts(cores), requests=requests
    )


def _chosen(names: list[str]) -> tuple[Stack, ...]:
    known = {stack.name: stack for stack in EVERY}
    wrong = [name for name in names if name not in known]
    if wrong:
        _fail(f"no stack is named {wrong[0]}; there are {', '.join(known)}")
    return tuple(stack for stack in EVERY if not names or stack.name in names)


def _run(main: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(main)
    except BenchError as error:
        _fail(f"bench: {error}")
    except KeyboardInterrupt:
        _fail("bench: stopped")
    raise AssertionError("unreachable: both end the program")


def _fail(text: str) -> None:
    typer.echo(text, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    sys.exit(app())
