"""What the schema objects to, in plain words and at its place in the file."""

import re
from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.config.faults import Fault, did_you_mean
from gateway.config.reflect import field_at, holds_secret, model_at
from gateway.config.source import Document, KeyPath
from gateway.config.values import PATTERNS

_TYPES = {
    "int_type": "expected a whole number{unit}",
    "float_type": "expected a number{unit}",
    "bool_type": "expected true or false",
    "string_unicode": "expected text in UTF-8",
    "string_type": "expected a text",
    "tuple_type": "expected a list",
    "dict_type": "expected keys with values",
    "model_type": "expected keys with values",
}
_UNITS = {"s": " of seconds", "days": " of days", "bytes": " of bytes", "minor": " of cents"}
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
}
_KEY = "[key]"  # How pydantic ends a path that means the key and not its value.
_SHOWN_CHARS = 60
_PASSWORD = re.compile(r"://[^/]*@")


def faults_of(error: ValidationError, document: Document) -> Iterator[Fault]:
    """Yield a fault for each objection, except where interpolation has failed already."""
    for detail in error.errors(include_url=False):
        path = tuple(detail["loc"])
        if document.is_broken(path):
            continue
        if detail["type"] == "too_short" and detail["input"]:
            continue  # Not empty: its items are wrong, and have faults of their own.
        if detail["type"] == "extra_forbidden":
            yield _unknown_key(path, document)
        elif detail["type"] == "missing":
            yield _missing_key(path, document)
        elif path[-1:] == (_KEY,):
            spot = document.find_key(path[:-1])
            yield Fault(spot, f"the name {_short(path[-2])} is wrong: {_say(detail, '')}")
        else:
            yield _wrong_value(path, detail, document)


def _unknown_key(path: KeyPath, document: Document) -> Fault:
    known = model_at(path[:-1])
    hint = did_you_mean(str(path[-1]), known.model_fields) if known else ""
    around = _word(path[:-1])
    where = f" in {around}" if around else ""
    return Fault(document.find_key(path), f"unknown key {_short(path[-1])}{where}{hint}")


def _missing_key(path: KeyPath, document: Document) -> Fault:
    parent, key = path[:-1], str(path[-1])
    is_item = bool(parent) and isinstance(parent[-1], int)
    spot = document.find_spot(parent) if is_item else document.find_key(parent)
    field = field_at(path)
    meaning = f": {field.description}" if field and field.description else ""
    around = _word(parent)
    subject = f"an entry of {around} needs" if is_item else f"{around or 'the file'} needs"
    return Fault(spot, f"{subject} the key {key!r}{meaning}")


def _wrong_value(path: KeyPath, detail: ErrorDetails, document: Document) -> Fault:
    spot = document.find_spot(path)
    field = field_at(path)
    names = document.names.get(path, ())
    empty = document.raw.get(path) == ""
    if detail["input"] is None and (empty or path not in document.raw):
        # The empty value has no width; the key is what the eye finds.
        spot, got = document.find_key(path), ", and there is no value"
        if field is not None and holds_secret(field.annotation):
            got += ": write ${NAME}, and set NAME or NAME_FILE in the environment"
    elif field is not None and holds_secret(field.annotation):
        got = ""
    elif names:
        # Not repeated: what is in the environment may be a secret.
        got = f", got the value of {' and '.join(names)}"
    else:
        got = f", got {_short(detail['input'])}"
        if detail["type"] == "string_type" and isinstance(detail["input"], int | float):
            got += "; put quotes around it"
    return Fault(spot, f"{_word(path)}: {_say(detail, got, _unit_of(path))}")


def _say(detail: ErrorDetails, got: str, unit: str = "") -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind].format(unit=unit) + got
    if kind in _LIMITS:
        words, name = _LIMITS[kind]
        limit = int(context[name])  # A bound of ours is never a fraction.
        return f"has to be {words} {limit:,}".replace(",", " ") + unit.removeprefix(" of") + got
    match kind:
        case "literal_error":
            words_ = str(context["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
            hint = did_you_mean(str(detail["input"]), words_) if ", got '" in got else ""
            return f"expected one of {', '.join(words_)}{got}{hint}"
        case "string_pattern_mismatch":
            return f"expected {PATTERNS[str(context['pattern'])]}{got}"
        case "too_short" | "string_too_short":
            return "may not be empty"
        case "string_too_long":
            return f"is longer than {context['max_length']} characters"
        case "value_error":
            return f"{context['error']}{got}"
    return str(detail["msg"])


def _unit_of(path: KeyPath) -> str:
    return _UNITS.get(_word(path).rpartition("_")[2], "") if "_" in _word(path) else ""


def _word(path: KeyPath) -> str:
    """Return the last key of the path: the line tells the rest, and an alias has many paths."""
    return next((str(part) for part in reversed(path) if isinstance(part, str)), "")


def _short(value: object) -> str:
    if isinstance(value, dict | list):
        return "keys with values" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and "-----BEGIN " in value:
        return "the PEM itself"  # Perhaps a private key.
    text = _PASSWORD.sub("://…@", repr(value))
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
