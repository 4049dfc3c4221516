"""What the schema objects to, in plain words and at its place in the file."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.config.faults import Fault, did_you_mean
from gateway.config.interpolate import has_default
from gateway.config.schema import (
    CURRENCY_PATTERN,
    FEATURE_PATTERN,
    ID_PATTERN,
    METHOD_PATTERN,
    Config,
)
from gateway.config.source import Document, Path_

_TYPES = {
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "string_type": "expected a text (put quotes around a number)",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected keys with values",
    "model_type": "expected keys with values",
    "model_attributes_type": "expected keys with values",
}
_PATTERNS = {
    ID_PATTERN: "lower-case letters, digits and -, beginning with a letter",
    FEATURE_PATTERN: "lower-case letters, digits and _, beginning with a letter",
    CURRENCY_PATTERN: "three lower-case letters, such as eur",
    METHOD_PATTERN: "a method in capitals, such as GET",
}


def faults_of(error: ValidationError, document: Document) -> Iterator[Fault]:
    """Yield a fault for each objection, except where interpolation has failed already."""
    for detail in error.errors(include_url=False):
        path = tuple(detail["loc"])
        if any(_is_within(path, broken) or _is_within(broken, path) for broken in document.broken):
            continue
        if detail["type"] == "too_short" and detail["input"]:
            continue  # Not empty: its items are wrong, and have faults of their own.
        if detail["type"] == "extra_forbidden":
            yield _unknown_key(path, document)
        elif detail["type"] == "missing":
            yield _missing_key(path, document)
        else:
            yield _wrong_value(path, detail, document)


def secrets_in_clear(document: Document) -> Iterator[Fault]:
    """Yield a fault for each secret that the file itself holds, or has a default for."""
    for path in _secret_paths(Config, document.data, ()):
        raw = document.raw.get(path)
        if raw is None or raw == "none":
            continue
        spot = document.find_spot(path)
        name = ".".join(str(part) for part in path if isinstance(part, str))
        if "${" not in raw.replace("$${", ""):
            if name == "redis.url" and "@" not in raw:
                continue  # A URL without a password is no secret.
            yield Fault(
                spot,
                f"{name} is a secret: write ${{NAME}} and set NAME, or NAME_FILE, in the"
                " environment",
                hide_from=spot.column,
            )
        elif has_default(raw) and name != "redis.url":
            yield Fault(spot, f"{name} is a secret, and a secret has no default", spot.column)


def _unknown_key(path: Path_, document: Document) -> Fault:
    spot = document.find_key(path)
    key, around = str(path[-1]), _name_of(path[:-1])
    known = _model_at(path[:-1])
    hint = did_you_mean(key, known.model_fields) if known else ""
    where = f" in {around}" if around else ""
    return Fault(spot, f"unknown key {key!r}{where}{hint}", hide_from=spot.column + spot.width)


def _missing_key(path: Path_, document: Document) -> Fault:
    parent = path[:-1]
    spot = document.find_spot(parent) if _is_item(parent) else document.find_key(parent)
    around = _name_of(parent)
    model = _model_at(parent)
    field = model.model_fields.get(str(path[-1])) if model else None
    meaning = f" ({field.description})" if field and field.description else ""
    where = f"{around} needs" if around else "the file needs"
    return Fault(spot, f"{where} the key {str(path[-1])!r}{meaning}")


def _wrong_value(path: Path_, detail: ErrorDetails, document: Document) -> Fault:
    if path and path[-1] == "[key]":
        path = path[:-1]
        return Fault(document.find_key(path), f"the name {str(path[-1])!r} {_say(detail)}")
    spot = document.find_spot(path)
    field = _field_at(path)
    is_secret = field is not None and _is_secret(field.annotation)
    return Fault(
        spot, f"{_name_of(path)}: {_say(detail)}", hide_from=spot.column if is_secret else None
    )


def _say(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    got = "" if "secret" in str(detail["loc"]) else f", got {_short(detail['input'])}"
    if kind in _TYPES:
        return f"{_TYPES[kind]}{got}"
    match kind:
        case "literal_error":
            words = [
                word.strip("'")
                for word in str(context["expected"]).replace(" or ", ", ").split(", ")
            ]
            hint = did_you_mean(str(detail["input"]), words)
            return f"expected one of {', '.join(words)}{got}{hint}"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            sign = {"greater_than_equal": ">=", "greater_than": ">", "less_than_equal": "<="}
            limit = next(value for key, value in context.items() if key in {"ge", "gt", "le", "lt"})
            return f"has to be {sign.get(kind, '<')} {limit}{got}"
        case "string_pattern_mismatch":
            return f"expected {_PATTERNS[str(context['pattern'])]}{got}"
        case "too_short" | "string_too_short":
            return "may not be empty"
        case "too_long" | "string_too_long":
            return f"is longer than {context['max_length']}"
        case "value_error":
            return str(context["error"])
    return str(detail["msg"])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _name_of(path: Path_) -> str:
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else str(part)
    return name


def _is_within(path: Path_, around: Path_) -> bool:
    return path[: len(around)] == around


def _is_item(path: Path_) -> bool:
    return bool(path) and isinstance(path[-1], int)


def _secret_paths(model: type[BaseModel], data: object, path: Path_) -> Iterator[Path_]:
    if not isinstance(data, dict):
        return
    for name, field in model.model_fields.items():
        if name not in data:
            continue
        here, value = (*path, name), data[name]
        inner = _model_of(field.annotation)
        if isinstance(value, list):
            for index, item in enumerate(value):
                if inner is not None:
                    yield from _secret_paths(inner, item, (*here, index))
                elif _is_secret(field.annotation):
                    yield (*here, index)
        elif inner is not None:
            yield from _secret_paths(inner, value, here)
        elif _is_secret(field.annotation):
            yield here


def _model_at(path: Path_) -> type[BaseModel] | None:
    """Return the model of the mapping at the path, or None where there is none."""
    model: type[BaseModel] | None = Config
    for part in path:
        if isinstance(part, str):
            field = model.model_fields.get(part) if model else None
            model = _model_of(field.annotation) if field else None
    return model


def _field_at(path: Path_) -> FieldInfo | None:
    words = [part for part in path if isinstance(part, str)]
    model = _model_at(tuple(words[:-1])) if words else None
    return model.model_fields.get(words[-1]) if model else None


def _model_of(annotation: Any) -> type[BaseModel] | None:  # any type expression
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {tuple, Annotated, Union, UnionType}:
        found = (_model_of(part) for part in get_args(annotation))
        return next((model for model in found if model is not None), None)
    return None


def _is_secret(annotation: Any) -> bool:  # any type expression
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))
