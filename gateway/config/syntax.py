"""What is not YAML, in plain words.

Without a tree nobody can tell where a secret stands, so that a line is shown only as
far as its keys are known to hold none.
"""

import re
from collections.abc import Collection, Sequence
from itertools import pairwise

import yaml

from gateway.config.faults import START, Fault, Spot

_KEY = re.compile(r"([A-Za-z_][\w-]*)[\"']?\s*:(?=\s|$)")
_QUOTED = re.compile(r"'[^']{2,}'")
# The beginning of what the library says, and what we say. The order matters.
_WORDS = (
    ("mapping values are not allowed", "a second ': ' in one line: put quotes around the value"),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("could not find expected ':'", "a key without its ':'"),
    ("expected ',' or", "a ',' or the closing bracket is missing"),
    ("found unexpected end of stream", "a quote is opened and not closed"),
    ("found undefined alias", "this alias names no anchor above"),
    ("found duplicate anchor", "this anchor's name is taken already"),
    ("expected a single document", "the file may hold one document, without `---` between"),
    ("but found another document", "the file may hold one document, without `---` between"),
)


def fault_of(error: yaml.YAMLError, text: str, lines: Sequence[str]) -> Fault:
    """Return what the parser stumbled on."""
    if isinstance(error, yaml.MarkedYAMLError):
        problem = error.problem or error.context or "unreadable"
        mark = error.problem_mark or error.context_mark
        # An open quote is found at the end of the file, and made where it was opened.
        if problem.startswith("found unexpected end of stream") and error.context_mark:
            mark = error.context_mark
        spot = _point(mark.line, mark.column) if mark else START
        return Fault(spot, f"not YAML: {_in_words(problem)}{_hint(lines, spot)}")
    position = getattr(error, "position", 0)
    before = text[:position] if isinstance(position, int) else ""
    spot = _point(len(before.splitlines()[:-1]), len((before.splitlines() or [""])[-1]))
    return Fault(spot, "not YAML: a character that is not allowed here, such as a control code")


def hidden_in(line: str, number: int, open_keys: Collection[str]) -> list[Spot]:
    """Return what of the line may hold a secret: all but the values of `open_keys`."""
    keys = list(_KEY.finditer(line))
    starts = [0, *(key.end() for key in keys)]
    ends = [*(key.start() for key in keys), len(line)]
    hidden = []
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        word = line[start:end]
        if not word.strip(" \t-{},[]\"'") or (index and keys[index - 1][1] in open_keys):
            continue
        begin = start + len(word) - len(word.lstrip())
        hidden.append(Spot(number, begin + 1, number, start + len(word.rstrip()) + 1))
    return _joined(hidden, number)


def _joined(spots: list[Spot], number: int) -> list[Spot]:
    """Hide from the first to the last: a quoted secret may look as if it held keys."""
    if any(a.end_column > b.column for a, b in pairwise(spots)):
        return [Spot(number, spots[0].column, number, spots[-1].end_column)]
    return spots


def _in_words(problem: str) -> str:
    for beginning, words in _WORDS:
        if beginning in problem:
            return words
    return _QUOTED.sub("something", problem)


def _hint(lines: Sequence[str], spot: Spot) -> str:
    line = lines[spot.line - 1] if spot.line <= len(lines) else ""
    if "${" in line and ("{" in line.replace("${", "") or "[" in line):
        return '; inside {} and [] put quotes around "${…}"'
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "; indent with blanks, not with tabs"
    return ""


def _point(line: int, column: int) -> Spot:
    return Spot(line + 1, column + 1, line + 1, column + 2)
