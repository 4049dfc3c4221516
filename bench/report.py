"""The table on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.result import Figure, Machine, Ratio, Requests, Result, Section
from bench.stats import Spread
from bench.targets import Met, Target

DASH = "\N{EN DASH}"

_DIGITS = {"MB/s": 0, "MB": 1, "KB": 1, "µs": 0}
# From here on a fraction is noise.
_LARGE = 100

_COLOURS = {Met.TARGET: "green", Met.FLOOR: "yellow", Met.NEITHER: "red"}


def print_result(console: Console, result: Result) -> None:
    """Print everything that was measured."""
    console.print()
    console.print(machine_line(result.machine), highlight=False, soft_wrap=True)
    if result.machine.was_busy:
        console.print(f"The machine was busy: {busy_note(result.machine)}", highlight=False)
    if result.requests is not None:
        _print_requests(console, result.requests)
    for section in result.sections:
        print_section(console, section)


def machine_line(machine: Machine) -> str:
    """Return the machine in a line."""
    pinned = "proxy pinned to one core" if machine.pinned else "nothing pinned"
    return (
        f"{machine.cpu}, {machine.cores} cores ({pinned}), Linux {machine.kernel},"
        f" Python {machine.python}, aiohttp {machine.versions['aiohttp']},"
        f" uvloop {machine.versions['uvloop']}, nginx {machine.versions['nginx']}"
    )


def busy_note(machine: Machine) -> str:
    """Return what a load from outside does to the figures."""
    return (
        f"load average {machine.load:.1f} before the run; ratios of CPU hold, latencies and"
        " requests a second tell little"
    )


def with_spread(spread: Spread, digits: int = 0) -> str:
    """Return the median, and the least and the most in brackets."""
    median, least, most = (f"{v:,.{digits}f}" for v in (spread.median, spread.least, spread.most))
    return f"{median} ({least}{DASH}{most})"


def verdict(value: Spread, target: Target | None, met: Met | None) -> str:
    """Return how a figure stands to its target and its floor, or nothing if it has none."""
    if target is None or met is None:
        return ""
    gap = target.gap(value.median)
    side = "under" if target.more_is_better else "over"
    return f"{met}, {gap:.0%} {side} target" if gap else str(met)


def limits(target: Target | None) -> tuple[str, str]:
    """Return the target and the floor with their direction, or nothing."""
    if target is None:
        return ("", "")
    sign = "≥" if target.more_is_better else "≤"
    return (f"{sign} {target.target:g}", f"{sign} {target.floor:g}")


def figure_text(figure: Figure) -> str:
    """Return the figure with its spread and its unit."""
    digits = _DIGITS.get(figure.unit, 2) if figure.value.most < _LARGE else 0
    return f"{with_spread(figure.value, digits)} {figure.unit}".rstrip()


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
        table.add_row(
            ratio.title,
            with_spread(ratio.ratio, 2),
            *limits(ratio.target),
            _coloured(ratio.met, verdict(ratio.ratio, ratio.target, ratio.met)),
        )
    return table


def print_section(console: Console, section: Section) -> None:
    """Print one section."""
    console.print(f"\n[bold]{section.title}[/]", highlight=False)
    if section.how:
        console.print(f"[dim]{section.how}[/]", highlight=False)
    if section.missing:
        words = "not measured" if not section.figures else "note"
        console.print(f"{words}: {section.missing}", highlight=False)
    if section.figures:
        table = _table("", numbers=("figure", "target", "floor"))
        table.add_column("", no_wrap=True)
        for figure in section.figures:
            table.add_row(
                figure.what,
                figure_text(figure),
                *limits(figure.target),
                _coloured(figure.met, verdict(figure.value, figure.target, figure.met)),
            )
        console.print(table)


def _coloured(met: Met | None, text: str) -> str:
    return text if met is None else f"[{_COLOURS[met]}]{text}[/]"


def _table(*words: str, numbers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in words:
        table.add_column(header, no_wrap=True)
    for header in numbers:
        table.add_column(header, justify="right", no_wrap=True)
    return table
