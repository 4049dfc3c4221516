"""What is wrong with a configuration file: each fault with its place, the line, and a caret."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# More than this is one mistake repeated; the rest is told as a number.
_SHOWN = 50
# What a terminal shows without wrapping, so that the caret stays below its word.
_LINE_CHARS = 110
_MARGIN_CHARS = 60
_HIDDEN = "…"


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """From where to where something stands, counted from 1; the end is just behind it."""

    line: int
    column: int
    end_line: int
    end_column: int


START = Spot(1, 1, 1, 2)


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault: where, and what to do. The message never holds a secret."""

    spot: Spot
    message: str


class ConfigFaults(Exception):  # noqa: N818 - one or many faults, and not an error of ours
    """The configuration cannot be used; `faults` are in the order of the file, none twice.

    `hidden` are the places of the file that may hold a secret, and are not shown.
    """

    def __init__(
        self, path: Path, lines: Sequence[str], faults: Iterable[Fault], hidden: Iterable[Spot] = ()
    ) -> None:
        self.path = path
        self.faults = tuple(sorted(set(faults)))
        self._lines = lines
        self._hidden = tuple(hidden)
        super().__init__(f"{path}: {self._count()}")

    def render(self) -> str:
        """Return the text for the operator: every fault, and their number at the end."""
        shown = [self._render_one(fault) for fault in self.faults[:_SHOWN]]
        more = len(self.faults) - _SHOWN
        if more > 0:
            shown.append(f"… and {more} more")
        return "\n".join([*shown, f"{self.path}: {self._count()}"])

    def _count(self) -> str:
        return f"{len(self.faults)} fault{'' if len(self.faults) == 1 else 's'}"

    def _render_one(self, fault: Fault) -> str:
        spot = fault.spot
        head = f"{self.path}:{spot.line}:{spot.column}: {fault.message}"
        if spot.line > len(self._lines):
            return head
        cells = self._cells(spot.line)
        end = spot.end_column - 1 if spot.end_line == spot.line else spot.column
        before, marked = "".join(cells[: spot.column - 1]), "".join(cells[spot.column - 1 : end])
        after = "".join(cells[end:])
        if len(before) + len(marked) > _LINE_CHARS and len(before) > _MARGIN_CHARS:
            before = _HIDDEN + before[-_MARGIN_CHARS:]
        line = before + marked + after
        if len(line) > _LINE_CHARS:
            line = line[:_LINE_CHARS] + _HIDDEN
            marked = marked[: max(1, _LINE_CHARS - len(before))]
        caret = " " * _width(before) + "^" * max(1, _width(marked))
        return f"{head}\n{spot.line:>5} | {line.rstrip()}\n      | {caret}"

    def _cells(self, number: int) -> list[str]:
        """Return what is shown for each character of the line; nothing for most hidden ones."""
        cells = [_shown(character) for character in self._lines[number - 1]]
        for spot in self._hidden:
            if not spot.line <= number <= spot.end_line:
                continue
            start = spot.column - 1 if number == spot.line else 0
            end = min(spot.end_column - 1, len(cells)) if number == spot.end_line else len(cells)
            if start < end:
                cells[start:end] = [_HIDDEN] + [""] * (end - start - 1)
        return cells


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known word that is nearest, or nothing."""
    # The longest word of ours has 50 characters; comparing costs the square of the length.
    found = difflib.get_close_matches(wrong[:100], sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    # What is left could move the cursor of the operator's terminal.
    return " " if character == "\t" else "\N{REPLACEMENT CHARACTER}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
