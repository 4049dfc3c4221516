"""The table on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.result import Machine, Ratio, Requests, Result
from bench.stats import Spread
from bench.targets import Met

DASH = "\N{EN DASH}"

_COLOURS = {Met.TARGET: "green", Met.FLOOR: "yellow", Met.NEITHER: "red"}


def print_result(console: Console, result: Result) -> None:
    """Print everything that was measured."""
    console.print()
    console.print(machine_line(result.machine), highlight=False, soft_wrap=True)
    if result.requests is not None:
        _print_requests(console, result.requests)


def machine_line(machine: Machine) -> str:
    """Return the machine in a line."""
    pinned = "proxy pinned to one core" if machine.pinned else "nothing pinned"
    return (
        f"{machine.cpu}, {machine.cores} cores ({pinned}), Linux {machine.kernel},"
        f" Python {machine.python}, aiohttp {machine.versions['aiohttp']},"
        f" uvloop {machine.versions['uvloop']}, nginx {machine.versions['nginx']}"
    )


def with_spread(spread: Spread, digits: int = 0) -> str:
    """Return the median, and the least and the most in brackets."""
    median, least, most = (f"{v:,.{digits}f}" for v in (spread.median, spread.least, spread.most))
    return f"{median} ({least}{DASH}{most})"


def verdict(ratio: Ratio) -> str:
    """Return how the ratio stands to its target and its floor."""
    if ratio.target is None or ratio.met is None:
        return ""
    gap = ratio.target.gap(ratio.ratio.median)
    return f"{ratio.met}, {gap:.0%} above the target" if gap else str(ratio.met)


def _print_requests(console: Console, requests: Requests) -> None:
    console.print(
        f"\n{requests.rounds} rounds of {requests.round_s:g} s each,"
        f" {requests.connections} keep-alive connections; median (least{DASH}most)\n",
        highlight=False,
    )
    table = _table("stack", "what it does", numbers=("CPU µs a request", "requests a second"))
    for stack in requests.stacks:
        table.add_row(stack.title, stack.does, with_spread(stack.cpu_us), with_spread(stack.per_s))
    console.print(table)
    for missing in requests.missing:
        console.print(f"[dim]{missing.title}: not measured, {missing.why}[/]", highlight=False)
    if requests.ratios:
        console.print()
        console.print(_ratio_table(requests.ratios))


def _ratio_table(ratios: Sequence[Ratio]) -> Table:
    table = _table("CPU of Tollway against", numbers=("ratio", "target", "floor"))
    table.add_column("", no_wrap=True)
    for ratio in ratios:
        limits = ("", "", "")
        if ratio.target is not None and ratio.met is not None:
            limits = (
                f"≤ {ratio.target.target:g}",
                f"≤ {ratio.target.floor:g}",
                f"[{_COLOURS[ratio.met]}]{verdict(ratio)}[/]",
            )
        table.add_row(ratio.title, with_spread(ratio.ratio, 2), *limits)
    return table


def _table(*words: str, numbers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in words:
        table.add_column(header, no_wrap=True)
    for header in numbers:
        table.add_column(header, justify="right", no_wrap=True)
    return table
