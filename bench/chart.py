"""The chart: a bar for each stack, with its spread, as SVG that reads in light and in dark.

Written by hand: a drawing library would be heavier than the benchmark.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from bench.result import StackFigures

_WIDTH: Final = 760
_LEFT: Final = 190
_RIGHT: Final = 150
_TOP: Final = 64
_ROW: Final = 38
_BAR: Final = 18
_BOTTOM: Final = 26

# Colours stand in a style sheet, so that a page in dark clothes gets dark ones.
_STYLE: Final = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.faint { fill: #59636e; font-size: 12px; }
.ours { font-weight: 600; }
.ground { fill: #ffffff; }
.bar { fill: #a8b3bf; }
.bar.ours { fill: #0969da; }
.value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
.spread { stroke: #1f2328; stroke-width: 1.5; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .faint { fill: #9198a1; }
  .ground { fill: #0d1117; }
  .bar { fill: #59636e; }
  .bar.ours { fill: #4493f8; }
  .value { stroke: #0d1117; }
  .spread { stroke: #f0f6fc; }
  .grid { stroke: #3d444d; }
}"""


def draw(stacks: Sequence[StackFigures], ours: str, caption: str) -> str:
    """Return the chart of CPU for a request, the least first; `ours` names our own bar."""
    ordered = sorted(stacks, key=lambda stack: stack.cpu_us.median)
    most = max((stack.cpu_us.most for stack in ordered), default=0.0)
    step = _step(most)
    scale = (_WIDTH - _LEFT - _RIGHT) / max(most, step)
    bottom = _TOP + _ROW * len(ordered)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + _BOTTOM}"'
            f' width="{_WIDTH}" height="{bottom + _BOTTOM}" role="img" aria-labelledby="title">'
        ),
        '<title id="title">CPU time of one proxied request</title>',
        f"<style>\n{_STYLE}\n</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{bottom + _BOTTOM}" rx="6"/>',
        '<text class="title" x="16" y="28">CPU time of one proxied request, µs</text>',
        f'<text class="faint" x="16" y="48">{escape(caption)}</text>',
        *_grid(step, most, scale, bottom),
    ]
    for number, stack in enumerate(ordered):
        parts += _bar(stack, _TOP + _ROW * number, scale, is_ours=stack.name == ours)
    return "\n".join([*parts, "</svg>", ""])


def _step(most: float) -> float:
    """Return the distance of grid lines: 1, 2 or 5 times a power of ten, at most six lines."""
    step, factors = 1.0, (2.0, 2.5, 2.0)
    for number in range(30):
        if most <= step * 6:
            break
        step *= factors[number % 3]
    return step


def _grid(step: float, most: float, scale: float, bottom: float) -> list[str]:
    lines = []
    for number in range(int(most / step) + 1):
        x = _LEFT + number * step * scale
        lines.append(
            f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>'
            f'<text class="faint" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">'
            f"{number * step:g}</text>"
        )
    return lines


def _bar(stack: StackFigures, y: float, scale: float, *, is_ours: bool) -> list[str]:
    mark = " ours" if is_ours else ""
    middle = y + _ROW / 2
    cpu = stack.cpu_us
    end = _LEFT + cpu.most * scale + 10
    least, most = _LEFT + cpu.least * scale, _LEFT + cpu.most * scale
    return [
        (
            f'<text class="{mark.strip()}" x="{_LEFT - 12}" y="{middle + 4:.1f}" text-anchor="end">'
            f"{escape(stack.title)}</text>"
        ),
        (
            f'<rect class="bar{mark}" x="{_LEFT}" y="{middle - _BAR / 2:.1f}"'
            f' width="{cpu.median * scale:.1f}" height="{_BAR}" rx="2"/>'
        ),
        (
            f'<path class="spread" fill="none" d="M{least:.1f} {middle:.1f}H{most:.1f}'
            f"M{least:.1f} {middle - 4:.1f}v8M{most:.1f} {middle - 4:.1f}v8"
            '"/>'
        ),
        (
            f'<text class="value{mark}" x="{end:.1f}" y="{middle + 4:.1f}">{cpu.median:.0f}'
            f'<tspan class="faint" dx="8">{stack.per_s.median:,.0f} req/s</tspan></text>'
        ),
    ]
