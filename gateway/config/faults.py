"""What is wrong with a configuration file: each fault with its place, the line, and a caret."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# More than this is one mistake repeated; the rest is told as a number.
_SHOWN = 50
_LINE_CHARS = 120


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """Where something stands; line and column count from 1, `width` is what the caret marks."""

    line: int
    column: int
    width: int = 1


START = Spot(1, 1)


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault. `hide_from` is the column from which the line may hold a secret, or None."""

    spot: Spot
    message: str
    hide_from: int | None = None


class ConfigFaults(Exception):  # noqa: N818 - one or many faults, and not an error of ours
    """The configuration cannot be used; `faults` are in the order of the file."""

    def __init__(self, path: Path, lines: Sequence[str], faults: Iterable[Fault]) -> None:
        self.path = path
        self.faults = tuple(sorted(set(faults), key=lambda fault: (fault.spot, fault.message)))
        self._lines = lines
        super().__init__(f"{path}: {len(self.faults)} faults")

    def render(self) -> str:
        """Return the text for the operator: every fault, and their number at the end."""
        shown = [self._render_one(fault) for fault in self.faults[:_SHOWN]]
        more = len(self.faults) - _SHOWN
        if more > 0:
            shown.append(f"… and {more} more")
        count = len(self.faults)
        shown.append(f"{self.path}: {count} fault{'s' if count != 1 else ''}")
        return "\n".join(shown)

    def _render_one(self, fault: Fault) -> str:
        spot = fault.spot
        head = f"{self.path}:{spot.line}:{spot.column}: {fault.message}"
        if spot.line > len(self._lines):
            return head
        line = self._lines[spot.line - 1].replace("\t", " ")
        if fault.hide_from is not None:
            line = line[: fault.hide_from - 1] + "…"
        if len(line) > _LINE_CHARS:
            line = line[:_LINE_CHARS] + "…"
        caret = ""
        if spot.column <= len(line) + 1:
            caret = (
                "\n      | "
                + " " * (spot.column - 1)
                + "^" * max(1, min(spot.width, len(line) - spot.column + 1))
            )
        return f"{head}\n{spot.line:>5} | {line}{caret}"


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known word that is nearest, or nothing."""
    found = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""
