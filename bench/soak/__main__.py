"""The command line: `python -m bench.soak`, or `./tollway soak`."""

import random
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.commands import check_platform, fail, measured, wide_console
from bench.errors import BenchError
from bench.program import ROOT
from bench.report import machine_line, print_section
from bench.soak.plot import draw
from bench.soak.run import Plan, is_clean, run

_PICTURE = ROOT / "docs" / "soak.svg"


def main(
    *,
    minutes: Annotated[float, typer.Option(min=1, max=600, help="How long.")] = 5.0,
    seed: Annotated[int | None, typer.Option(help="Of what happens; a random one.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result.")] = None,
    svg_file: Annotated[Path | None, typer.Option("--svg", help="Draw what happened.")] = None,
    docs: Annotated[bool, typer.Option("--docs", help="Renew docs/soak.svg.")] = False,
) -> None:
    """Let 4 workers serve while stores, networks and processes fail; end with 1 if it shows."""
    check_platform("soak")
    console = wide_console()
    plan = Plan(minutes, seed if seed is not None else random.randrange(2**31))  # noqa: S311
    try:
        result = measured(
            "soak",
            lambda: run(plan, lambda line: console.print(line, highlight=False, soft_wrap=True)),
        )
        console.print(machine_line(result.machine), highlight=False, soft_wrap=True)
        print_section(console, result.section)
        for fault in result.faults:
            console.print(fault, highlight=False, soft_wrap=True)
        if json_file is not None:
            json_file.write_text(result.model_dump_json(indent=1) + "\n")
        for file in (svg_file, _PICTURE if docs else None):
            if file is not None:
                file.write_text(draw(result))
    except (BenchError, OSError) as error:
        fail(f"soak: {error}", 1)
    if not is_clean(result):
        raise typer.Exit(1)


if __name__ == "__main__":
    app = typer.Typer(name="tollway soak", add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    sys.exit(app())
