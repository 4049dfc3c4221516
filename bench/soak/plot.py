"""The picture of a soak, as SVG that reads in light and in dark: answers, troubles, memory."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from bench.soak.result import SoakResult
from bench.trouble.verdicts import Answer

_WIDTH: Final = 960
_LEFT: Final = 190
_RIGHT: Final = 16
_TOP: Final = 64
_ANSWERS_HEIGHT: Final = 200
_GAP: Final = 44
_ROW: Final = 13
_MEMORY_HEIGHT: Final = 120
_BOTTOM: Final = 30
# In the order in which they are laid upon each other.
_LAYERS: Final = (
    (Answer.ALLOWED, "allowed"),
    (Answer.UNPAID, "refused: unpaid"),
    (Answer.BLOCKED, "refused: barred"),
    (Answer.ENDED, "streams ended"),
    (Answer.UNAVAILABLE, "unavailable"),
    (Answer.BROKEN, "broken"),
)
_STYLE: Final = """\
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.faint { fill: #59636e; font-size: 11px; }
.ground { fill: #ffffff; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.allowed { fill: #2da44e; } .unpaid { fill: #bf8700; } .blocked { fill: #8250df; }
.ended { fill: #0969da; } .unavailable { fill: #cf222e; } .broken { fill: #1f2328; }
.trouble { fill: #cf222e; fill-opacity: .55; }
.memory { fill: none; stroke: #0969da; stroke-width: 1.2; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .faint { fill: #9198a1; } .ground { fill: #0d1117; }
  .grid { stroke: #3d444d; } .broken { fill: #f0f6fc; } .memory { stroke: #4493f8; }
}"""


def draw(result: SoakResult) -> str:
    """Return the picture."""
    names = sorted({broken.name for broken in result.broken})
    troubles_at = _TOP + _ANSWERS_HEIGHT + _GAP
    memory_at = troubles_at + _ROW * len(names) + _GAP
    height = memory_at + _MEMORY_HEIGHT + _BOTTOM
    scale = (_WIDTH - _LEFT - _RIGHT) / max(result.seconds, 1.0)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
            f' width="{_WIDTH}" height="{height}" role="img" aria-labelledby="title">'
        ),
        '<title id="title">A soak: answers, troubles and memory over time</title>',
        f"<style>\n{_STYLE}\n</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}" rx="6"/>',
        f'<text class="title" x="16" y="28">{escape(_caption(result))}</text>',
        *_legend(),
        *_answers(result, scale),
        *_troubles(result, names, troubles_at, scale),
        *_memory(result, memory_at, scale),
        *_time(result.seconds, height - 10, scale),
    ]
    return "\n".join([*parts, "</svg>", ""])


def _caption(result: SoakResult) -> str:
    given = sum(sum(second.answers.values()) for second in result.timeline)
    return f"{result.seconds / 60:.0f} minutes, {given:,} answers, {len(result.broken)} troubles"


def _legend() -> Iterable[str]:
    for number, (answer, title) in enumerate(_LAYERS):
        x = _LEFT + number * 120
        yield f'<rect class="{answer}" x="{x}" y="40" width="10" height="10"/>'
        yield f'<text class="faint" x="{x + 15}" y="49">{title}</text>'


def _answers(result: SoakResult, scale: float) -> Iterable[str]:
    most = max((sum(s.answers.values()) for s in result.timeline), default=0) or 1
    bottom = _TOP + _ANSWERS_HEIGHT
    yield from _frame(_TOP, _ANSWERS_HEIGHT, f"{most}/s")
    for number, second in enumerate(result.timeline):
        below = 0
        for answer, _ in _LAYERS:
            count = second.answers.get(answer, 0)
            if count:
                below += count
                yield (
                    f'<rect class="{answer}" x="{_LEFT + number * scale:.1f}"'
                    f' y="{bottom - below / most * _ANSWERS_HEIGHT:.1f}" width="{scale:.2f}"'
                    f' height="{count / most * _ANSWERS_HEIGHT:.1f}"/>'
                )


def _troubles(result: SoakResult, names: Sequence[str], top: float, scale: float) -> Iterable[str]:
    for number, name in enumerate(names):
        y = top + number * _ROW
        yield (
            f'<text class="faint" x="{_LEFT - 8}" y="{y + 9}" text-anchor="end">'
            f"{escape(name)}</text>"
        )
        for broken in result.broken:
            if broken.name == name:
                yield (
                    f'<rect class="trouble" x="{_LEFT + broken.begun_s * scale:.1f}" y="{y}"'
                    f' width="{max(1.0, (broken.mended_s - broken.begun_s) * scale):.1f}"'
                    f' height="{_ROW - 2}"/>'
                )


def _memory(result: SoakResult, top: float, scale: float) -> Iterable[str]:
    most = max((max(process.memory_mb) for process in result.memory), default=1.0)
    yield from _frame(top, _MEMORY_HEIGHT, f"{most:.0f} MB")
    for process in result.memory:
        points = " ".join(
            f"{_LEFT + at_s * scale:.1f},{top + _MEMORY_HEIGHT * (1 - memory / most):.1f}"
            for at_s, memory in zip(process.at_s, process.memory_mb, strict=True)
        )
        yield f'<polyline class="memory" points="{points}"/>'


def _frame(top: float, height: float, most: str) -> Iterable[str]:
    for y, text in ((top, most), (top + height, "0")):
        yield f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}"/>'
        yield f'<text class="faint" x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{text}</text>'


def _time(seconds: float, y: float, scale: float) -> Iterable[str]:
    for minute in range(int(seconds // 60) + 1):
        yield (
            f'<text class="faint" x="{_LEFT + minute * 60 * scale:.1f}" y="{y}"'
            f' text-anchor="middle">{minute} min</text>'
        )
