"""YAML, with the place of every key and value kept."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gateway.config.faults import START, Fault, Spot
from gateway.config.interpolate import InterpolationError, interpolate

Path_ = tuple[str | int, ...]
"""Where a value is in the document: keys, and places in lists."""

_FILE_LIMIT_BYTES = 1024 * 1024
# Aliases of aliases can name more nodes than there are bytes.
_NODE_LIMIT = 50_000

# YAML 1.2's core schema. In YAML 1.1 `no` would be a boolean and `22:30` a number.
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(slots=True)
class Document:
    """What the file says. `raw` is the text of each scalar before interpolation."""

    lines: list[str] = field(default_factory=list)
    data: Any = None  # any shape: that it fits the schema is what is being checked
    values: dict[Path_, Spot] = field(default_factory=dict)
    keys: dict[Path_, Spot] = field(default_factory=dict)
    raw: dict[Path_, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    broken: set[Path_] = field(default_factory=set)

    def find_spot(self, path: Path_) -> Spot:
        """Return the place of the value, or of the nearest thing around it."""
        while path:
            if path in self.values:
                return self.values[path]
            path = path[:-1]
        return START

    def find_key(self, path: Path_) -> Spot:
        """Return the place of the key, or of the nearest key around it."""
        while path:
            if path in self.keys:
                return self.keys[path]
            path = path[:-1]
        return START


def read_document(path: Path, environment: Mapping[str, str]) -> Document:
    """Read the file; whatever is wrong with it is among the document's faults."""
    document = Document()
    try:
        with path.open("rb") as file:
            raw = file.read(_FILE_LIMIT_BYTES + 1)
        text = raw.decode()
    except OSError as error:
        return _failed(document, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        return _failed(document, "is not UTF-8")
    if len(raw) > _FILE_LIMIT_BYTES:
        return _failed(document, "is larger than 1 MiB")
    document.lines = text.splitlines()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        spot = Spot(mark.line + 1, mark.column + 1) if mark else START
        hint = _hint_at(document.lines, spot)
        document.faults.append(Fault(spot, f"not YAML: {error.problem or error.context}{hint}"))
        return document
    except (yaml.YAMLError, RecursionError) as error:
        return _failed(document, f"is not YAML: {str(error).splitlines()[0]}")
    if not isinstance(root, yaml.MappingNode):
        return _failed(document, "has to be a mapping of sections: `listen:`, `apps:`, …")
    _Builder(document, environment).build_root(root)
    return document


def _failed(document: Document, why: str) -> Document:
    document.faults.append(Fault(START, f"the file {why}"))
    return document


def _hint_at(lines: list[str], spot: Spot) -> str:
    line = lines[spot.line - 1] if spot.line <= len(lines) else ""
    if "${" in line and ("{" in line.replace("${", "") or "[" in line):
        return '; inside {} and [] put quotes around "${…}"'
    if "\t" in line:
        return "; indent with blanks, not with tabs"
    return ""


class _Builder:
    """Turns nodes into plain data, and notes where each came from."""

    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self._document = document
        self._environment = environment
        self._nodes = 0
        self._open: set[int] = set()

    def build_root(self, root: yaml.MappingNode) -> None:
        try:
            self._document.data = self._build(root, ())
        except _TooLargeError:
            self._document.faults.append(Fault(START, "the aliases expand to too many values"))
        except RecursionError:
            self._document.faults.append(Fault(START, "the values are nested too deeply"))

    def _build(self, node: yaml.Node, path: Path_) -> Any:  # any YAML value
        self._nodes += 1
        if self._nodes > _NODE_LIMIT or id(node) in self._open:
            raise _TooLargeError
        self._document.values[path] = _spot_of(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self._build(item, (*path, i)) for i, item in enumerate(node.value)]
            if isinstance(node, yaml.MappingNode):
                return dict(self._items(node, path))
        finally:
            self._open.discard(id(node))
        raise TypeError(f"a node that YAML does not have: {node!r}")

    def _items(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, Any]]:
        seen: dict[str, Spot] = {}
        for key_node, value_node in node.value:
            spot = _spot_of(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._document.faults.append(Fault(spot, "a key has to be a word"))
                continue
            key = str(key_node.value)
            if key == "<<":
                self._document.faults.append(
                    Fault(spot, "merge keys are not read; repeat the keys, or alias the whole")
                )
                continue
            if key in seen:
                self._document.faults.append(
                    Fault(spot, f"the key {key!r} stands already in line {seen[key].line}")
                )
                continue
            seen[key] = spot
            if not path and key.startswith("x-"):
                continue  # A place for anchors; nothing of ours ever begins so.
            self._document.keys[(*path, key)] = spot
            yield key, self._build(value_node, (*path, key))

    def _scalar(self, node: yaml.ScalarNode, path: Path_) -> Any:  # a YAML scalar
        text = str(node.value)
        self._document.raw[path] = text
        if "${" in text:
            try:
                return interpolate(text, self._environment).text
            except InterpolationError as error:
                self._document.broken.add(path)
                self._document.faults.append(Fault(_spot_of(node), str(error)))
                return None
        return _resolve(text) if node.style is None else text


class _TooLargeError(Exception):
    pass


def _resolve(text: str) -> Any:  # a YAML scalar
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text) and len(text) < 20:
        return int(text)
    if _FLOAT.fullmatch(text) and len(text) < 40:
        return float(text)
    return text


def _spot_of(node: yaml.Node) -> Spot:
    start, end = node.start_mark, node.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Spot(start.line + 1, start.column + 1, max(1, width))
