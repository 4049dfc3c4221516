"""Stripe's bracketed form encoding as nested values: `items[0][price]=x`, `expand[]=y`."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from demo.sandbox.errors import APIError

# Any: a leaf is text, an inner node a dict of the same or a list of the same.
Nested: TypeAlias = dict[str, Any]

# Stripe's own calls stay below five levels and a few dozen fields; both bounds are there
# so that a hostile body cannot make a tree that takes long to walk.
_DEPTH_LIMIT = 6
_FIELD_LIMIT = 1000

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
# More digits than any list of ours has places.
_INDEX = re.compile(r"[0-9]{1,6}")
_PART = re.compile(r"\[([^\[\]]*)\]")


def parse_form(pairs: Iterable[tuple[str, str]]) -> Nested:
    """Parse decoded pairs; a level whose keys are all numbers or empty becomes a list.

    Raises:
        APIError: a name is malformed, too deep, or given both as a value and as a parent.
    """
    tree: Nested = {}
    for count, (name, value) in enumerate(pairs):
        if count >= _FIELD_LIMIT:
            raise APIError(f"Too many parameters: at most {_FIELD_LIMIT} are accepted.")
        _plant(tree, name, value)
    return {key: _to_lists(node) for key, node in tree.items()}


def flatten(text: str) -> list[tuple[str, str]]:
    """Return the pairs that a form would hold for the JSON object in `text`.

    Raises:
        APIError: the text is no JSON object.
    """
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise APIError("The body is not JSON.") from error
    if not isinstance(found, dict):
        raise APIError("The body is not a JSON object.")
    return [pair for name, value in found.items() for pair in _pairs(str(name), value)]


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:  # Any: JSON
    found = dict(enumerate(value)) if isinstance(value, list) else value
    if not isinstance(found, dict):
        yield name, _text_of(found)
        return
    for key, child in found.items():
        yield from _pairs(f"{name}[{key}]", child)


def _text_of(value: Any) -> str:  # Any: a leaf of JSON
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _plant(tree: Nested, name: str, value: str) -> None:
    match = _NAME.fullmatch(name)
    if match is None:
        raise APIError(f"Invalid parameter name: {name}", param=name)
    path = [match[1], *_PART.findall(match[2])]
    if len(path) > _DEPTH_LIMIT:
        raise APIError(f"Parameter nested too deep: {name}", param=name)
    node = tree
    for part in path[:-1]:
        child = node.setdefault(part or str(len(node)), {})
        if not isinstance(child, dict):
            raise APIError(f"Parameter given as value and as hash: {name}", param=name)
        node = child
    last = path[-1] or str(len(node))
    if isinstance(node.get(last), dict):
        raise APIError(f"Parameter given as value and as hash: {name}", param=name)
    node[last] = value


def _to_lists(node: Any) -> Any:  # Any: see Nested
    if not isinstance(node, dict):
        return node
    if node and all(_INDEX.fullmatch(key) for key in node):
        return [_to_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _to_lists(child) for key, child in node.items()}
