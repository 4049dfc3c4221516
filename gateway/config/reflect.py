"""Questions to the schema: what stands at a place of the file, and may it be shown."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gateway.config.schema import Config
from gateway.config.source import KeyPath


def model_at(path: KeyPath) -> type[BaseModel] | None:
    """Return the model of the mapping at the path, or None where there is none."""
    model: type[BaseModel] | None = Config
    for part in path:
        if isinstance(part, str):
            field = model.model_fields.get(part) if model else None
            model = model_of(field.annotation) if field else None
    return model


def field_at(path: KeyPath) -> FieldInfo | None:
    """Return the field that the value at the path belongs to, or None where there is none."""
    words = [part for part in path if isinstance(part, str)]
    model = model_at(tuple(words[:-1])) if words else None
    return model.model_fields.get(words[-1]) if model else None


def model_of(annotation: Any) -> type[BaseModel] | None:  # any type expression
    """Return the model in the type of a field: the model itself, or that of a list's items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {tuple, Annotated, Union, UnionType}:
        found = (model_of(part) for part in get_args(annotation))
        return next((model for model in found if model is not None), None)
    return None


def is_secret(annotation: Any) -> bool:  # any type expression
    """Tell whether the value itself, or an item of the list, is a secret."""
    return annotation is SecretStr or any(is_secret(part) for part in get_args(annotation))


def holds_secret(annotation: Any) -> bool:  # any type expression
    """Tell whether the value is a secret or has one anywhere in it."""
    model = model_of(annotation)
    if model is None:
        return is_secret(annotation)
    return any(holds_secret(field.annotation) for field in model.model_fields.values())


def open_keys() -> frozenset[str]:
    """Return the keys that hold no secret, wherever in the file they stand."""
    is_open: dict[str, bool] = {}
    _collect(Config, is_open)
    return frozenset(name for name, may_be_shown in is_open.items() if may_be_shown)


def _collect(model: type[BaseModel], is_open: dict[str, bool]) -> None:
    for name, field in model.model_fields.items():
        is_open[name] = is_open.get(name, True) and not holds_secret(field.annotation)
        inner = model_of(field.annotation)
        if inner is not None:
            _collect(inner, is_open)
