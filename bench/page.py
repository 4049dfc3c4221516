"""The measured parts of `docs/performance.md`, made from results: no figure is typed by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.chart import draw
from bench.errors import BenchError
from bench.report import busy_note, figure_text, limits, machine_line, verdict, with_spread
from bench.requests import OURS
from bench.result import Machine, Requests, Result, Section


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: the command that measures it, and the marks around what it told."""

    command: str
    begin: str
    end: str


PROXY: Final = Part("./tollway bench proxy", "<!-- measured: begin -->", "<!-- measured: end -->")
WEBHOOKS: Final = Part(
    "./tollway bench webhooks",
    "<!-- webhooks measured: begin -->",
    "<!-- webhooks measured: end -->",
)
ENTITLEMENTS: Final = Part(
    "./tollway bench entitlements",
    "<!-- entitlements measured: begin -->",
    "<!-- entitlements measured: end -->",
)

_PAGE: Final = "performance.md"
_CHART: Final = "performance.svg"


def write_page(result: Result, docs: Path, part: Part) -> None:
    """Put the result between the marks of its part, and the chart beside the page.

    Raises:
        BenchError: the page has no marks.
    """
    page = docs / _PAGE
    page.write_text(renewed(page.read_text(), result, part))
    if result.requests is not None:
        write_chart(result, docs / _CHART)


def write_chart(result: Result, file: Path) -> None:
    """Draw the chart into the file.

    Raises:
        BenchError: the table was not measured.
    """
    if result.requests is None:
        raise BenchError("the chart shows the table, which was not measured")
    file.write_text(chart_of(result.requests, result.machine))


def renewed(text: str, result: Result, part: Part) -> str:
    """Return the page's text with the result between its marks.

    Raises:
        BenchError: the page has no marks.
    """
    before, begin, rest = text.partition(part.begin)
    _, end, after = rest.partition(part.end)
    if not begin or not end:
        raise BenchError(f"{_PAGE} has no line {part.begin!r} with {part.end!r} below it")
    return f"{before}{part.begin}\n{_measured(result, part)}\n{part.end}{after}"


def chart_of(requests: Requests, machine: Machine) -> str:
    """Return the chart of the table."""
    caption = (
        f"{machine.cpu}, proxy on one core, {requests.connections} keep-alive connections;"
        f" median of {requests.rounds} rounds, from least to most"
    )
    return draw(requests.stacks, OURS, caption)


def _measured(result: Result, part: Part) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in result.machine.versions.items())
    parts = [
        (
            f"Measured on {result.at:%d %B %Y} by `{part.command}"
            f"{' --quick' if result.quick else ''}`: {machine_line(result.machine)}."
        ),
        f"Versions: {versions}.",
    ]
    if result.machine.was_busy:
        parts += ["", f"The machine was busy with something else: {busy_note(result.machine)}."]
    if result.requests is not None:
        parts += ["", *_requests(result.requests)]
    for section in result.sections:
        parts += ["", *_section(section)]
    return "\n".join(parts)


def _requests(requests: Requests) -> list[str]:
    lines = [
        f"![CPU time of one proxied request, stack by stack]({_CHART})",
        "",
        (
            f"Medians of {requests.rounds} rounds of {requests.round_s:g} s; in brackets the least"
            " and the most."
        ),
        "",
        "| stack | what it does | CPU µs a request | requests a second |",
        "|---|---|---:|---:|",
    ]
    lines += [
        f"| {stack.title} | {stack.does} | {with_spread(stack.cpu_us)} |"
        f" {with_spread(stack.per_s)} |"
        for stack in requests.stacks
    ]
    lines += [f"| {each.title} | not measured: {each.why} | | |" for each in requests.missing]
    if requests.ratios:
        lines += [
            "",
            "| CPU of Tollway against | ratio | target | floor | |",
            "|---|---:|---:|---:|---|",
        ]
    for ratio in requests.ratios:
        target, floor = limits(ratio.target)
        lines.append(
            f"| {ratio.title} | {with_spread(ratio.ratio, 2)} | {target} | {floor} |"
            f" {verdict(ratio.ratio, ratio.target, ratio.met)} |"
        )
    return lines


def _section(section: Section) -> list[str]:
    lines = [f"### {section.title}"]
    if section.how:
        lines += ["", f"{section.how[0].upper()}{section.how[1:]}."]
    if section.missing:
        lines += ["", f"{'Note' if section.figures else 'Not measured'}: {section.missing}."]
    if section.figures:
        lines += ["", "| | figure | target | floor | |", "|---|---:|---:|---:|---|"]
    for figure in section.figures:
        target, floor = limits(figure.target)
        lines.append(
            f"| {figure.what} | {figure_text(figure)} | {target} | {floor} |"
            f" {verdict(figure.value, figure.target, figure.met)} |"
        )
    return lines
