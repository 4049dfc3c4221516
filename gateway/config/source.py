"""YAML, with the place of every key and value kept."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gateway.config.faults import START, Fault, Spot
from gateway.config.interpolate import REFERENCE, InterpolationError, interpolate, is_reference
from gateway.config.scalars import Substituted, resolve
from gateway.config.syntax import fault_of, hidden_in

KeyPath = tuple[str | int, ...]
"""Where a value is in the document: keys, and places in lists."""

_FILE_LIMIT_BYTES = 1024 * 1024
# Aliases of aliases can name more nodes than there are bytes.
_NODE_LIMIT = 50_000


@dataclass(slots=True)
class Document:
    """What the file says.

    `raw` is the text of each scalar before interpolation, `names` the variables that it
    came from, `broken` where interpolation failed, `hidden` what no fault may show.
    """

    lines: list[str] = field(default_factory=list)
    data: Any = None  # any shape: that it fits the schema is what is being checked
    values: dict[KeyPath, Spot] = field(default_factory=dict)
    keys: dict[KeyPath, Spot] = field(default_factory=dict)
    raw: dict[KeyPath, str] = field(default_factory=dict)
    names: dict[KeyPath, tuple[str, ...]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    broken: set[KeyPath] = field(default_factory=set)
    hidden: list[Spot] = field(default_factory=list)

    def find_spot(self, path: KeyPath) -> Spot:
        """Return the place of the value, or of the nearest thing around it."""
        while path:
            if path in self.values:
                return self.values[path]
            path = path[:-1]
        return START

    def find_key(self, path: KeyPath) -> Spot:
        """Return the place of the key, or of the nearest key around it."""
        while path:
            if path in self.keys:
                return self.keys[path]
            path = path[:-1]
        return START

    def is_broken(self, path: KeyPath) -> bool:
        """Tell whether the value, or what it is part of, could not be interpolated."""
        return any(path[:length] in self.broken for length in range(len(path) + 1))

    def hide(self, path: KeyPath) -> None:
        """Keep the value, with all that is in it, out of every fault; names of variables stay."""
        self.hidden.extend(
            self.values[below]
            for below, raw in self.raw.items()
            if below[: len(path)] == path and not is_reference(raw)
        )


def read_document(
    path: Path, environment: Mapping[str, str], open_keys: Collection[str]
) -> Document:
    """Read the file; whatever is wrong with it is among the document's faults.

    `open_keys` are those that may be shown with their values where the file is not YAML.
    """
    document = Document()
    try:
        text = _read_text(path)
    except _UnreadableError as error:
        return _failed(document, f"the file {error}")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        return _failed(document, "the values are nested too deeply")
    except yaml.YAMLError as error:
        lines = text.splitlines()
        found = (hidden_in(line, i, open_keys) for i, line in enumerate(lines, 1))
        document.hidden = [spot for spot in found if spot is not None]
        document.faults.append(fault_of(error, text, lines))
        document.lines = lines
        return document
    if root is None:
        return _failed(document, "the file is empty; config.yaml, as shipped, has every key")
    if not isinstance(root, yaml.MappingNode):
        return _failed(document, "the file has to consist of sections: `listen:`, `apps:`, …")
    document.lines = text.splitlines()
    _Builder(document, environment).build_root(root)
    return document


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_FILE_LIMIT_BYTES + 1)
        if len(raw) > _FILE_LIMIT_BYTES:
            raise _UnreadableError("is larger than 1 MiB")
        # A byte order mark, as some editors write it, would shift the first line's columns.
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise _UnreadableError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _UnreadableError("is not UTF-8 text") from error
    except ValueError as error:
        raise _UnreadableError("cannot be read: its name is no path") from error


def _failed(document: Document, why: str) -> Document:
    document.faults.append(Fault(START, why))
    return document


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
            self._give_up("the file holds too many values, or an alias holds itself")
        except RecursionError:
            self._give_up("the values are nested too deeply")

    def _give_up(self, why: str) -> None:
        # Without the tree nobody knows what is secret, so no line is shown.
        self._document.lines = []
        self._document.faults = [Fault(START, why)]

    def _build(self, node: yaml.Node, path: KeyPath) -> Any:  # any YAML value
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
            return dict(self._items(node, path))
        finally:
            self._open.discard(id(node))

    def _items(self, node: yaml.Node, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: dict[str, Spot] = {}
        for key_node, value_node in node.value:
            spot = _spot_of(key_node)
            # Not text of any node: aliases of aliases would make it endless.
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                objection = "a key has to be a word; put quotes around a value that begins with {"
            elif key == "<<":
                objection = "merge keys are not read; repeat the keys, or alias the whole value"
            elif key in seen:
                objection = f"the key {key!r} is there already, in line {seen[key].line}"
            else:
                seen[key] = spot
                # A place for anchors; no key of ours ever begins so.
                if path or not key.startswith("x-"):
                    self._document.keys[(*path, key)] = spot
                    yield key, self._build(value_node, (*path, key))
                continue
            self._document.faults.append(Fault(spot, objection))
            self._document.hidden.append(_spot_of(value_node))
            if key is None:
                self._document.hidden.append(spot)

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:  # a YAML scalar
        text = str(node.value)
        self._document.raw[path] = text
        is_bare = node.style is None
        if "${" not in text:
            return resolve(text) if is_bare else text
        try:
            found = interpolate(text, self._environment)
        except InterpolationError as error:
            self._document.broken.add(path)
            self._document.faults.append(Fault(_spot_of(node), str(error)))
            return None
        self._document.names[path] = found.names
        is_whole = is_bare and REFERENCE.fullmatch(text) is not None
        return Substituted(found.text) if is_whole else found.text


class _UnreadableError(Exception):
    pass


class _TooLargeError(Exception):
    pass


def _spot_of(node: yaml.Node) -> Spot:
    start, end = node.start_mark, node.end_mark
    return Spot(start.line + 1, start.column + 1, end.line + 1, end.column + 1)
