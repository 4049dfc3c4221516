"""What is not YAML, in plain words.

Without a tree nobody can tell where a secret stands, so that a line is shown only as
far as its keys are known to hold none.
"""

import re
from collections.abc import Collection, Sequence

import yaml

from gateway.config.faults import START, Fault, Spot

_KEY = re.compile(r"([A-Za-z_][\w-]*)[\"']?\s*:(?=\s|$)")
_PUNCTUATION = " \t-{[,\"'"
_BARE_REFERENCE = re.compile(r"[\s,\[{]\$\{")
_QUOTED = re.compile(r"'[^']{2,}'")
_MISPLACED_COLON = (
    "a ': ' where none may stand: look at the indentation, or put quotes around the value"
)
# A part of what the library says, and what we say. The order matters.
_WORDS = (
    ("mapping values are not allowed", _MISPLACED_COLON),
    ("cannot start any token", "a value may not begin with this: put quotes around it"),
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


def hidden_in(line: str, number: int, open_keys: Collection[str]) -> Spot | None:
    """Return what of the line may hold a secret: all from the first key not among `open_keys`."""
    shown = 0
    for key in _KEY.finditer(line):
        if not shown and line[: key.start()].strip(_PUNCTUATION):
            break
        shown = key.end()
        if key[1] not in open_keys:
            break
    else:
        if shown:
            return None
    rest = line[shown:].lstrip(_PUNCTUATION)
    start = len(line) - len(rest)
    return Spot(number, start + 1, number, len(line) + 1) if rest else None


def _in_words(problem: str) -> str:
    for beginning, words in _WORDS:
        if beginning in problem:
            return words
    return _QUOTED.sub("something", problem)


def _hint(lines: Sequence[str], spot: Spot) -> str:
    line = lines[spot.line - 1] if spot.line <= len(lines) else ""
    if _BARE_REFERENCE.search(line) and ("{" in line.replace("${", "") or "[" in line):
        return '; inside {} and [] put quotes around "${…}"'
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "; indent with blanks, not with tabs"
    return ""


def _point(line: int, column: int) -> Spot:
    return Spot(line + 1, column + 1, line + 1, column + 2)
