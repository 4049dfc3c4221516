"""Which parameters an operation takes: names and types, checked before anything happens."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from demo.sandbox.errors import APIError
from demo.sandbox.form import Nested

# Any: raw is a node of a parsed form, the result whatever the type makes of it.
Check: TypeAlias = Callable[[Any, str], Any]
Spec: TypeAlias = Mapping[str, Check]

# Stripe's limits on metadata (API reference, "Metadata").
_METADATA_KEYS = 50
_METADATA_KEY_CHARS = 40
_METADATA_VALUE_CHARS = 500


def check_params(spec: Spec, raw: Nested, parent: str = "") -> Nested:
    """Return `raw` with typed values.

    Raises:
        APIError: a name is not in `spec` (`parameter_unknown`), or a value has the wrong type.
    """
    checked: Nested = {}
    for name, value in raw.items():
        full = f"{parent}[{name}]" if parent else name
        if name not in spec:
            raise APIError(
                f"Received unknown parameter: {full}", code="parameter_unknown", param=full
            )
        checked[name] = spec[name](value, full)
    return checked


def text(raw: Any, name: str) -> str:
    """Take text as it stands, the empty text included."""
    if not isinstance(raw, str):
        raise APIError(f"Invalid string: {name}", param=name)
    return raw


def short_text(raw: Any, name: str) -> str:
    """Take text of at most 200 characters, Stripe's limit for references of the caller."""
    value = text(raw, name)
    if len(value) > 200:
        raise APIError(f"Invalid string: {name} must be at most 200 characters", param=name)
    return value


def integer(raw: Any, name: str) -> int:
    """Take a whole number of at most 18 digits."""
    digits = raw.removeprefix("-") if isinstance(raw, str) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise APIError(f"Invalid integer: {raw}", code="parameter_invalid_integer", param=name)
    return int(raw)


def boolean(raw: Any, name: str) -> bool:
    """Take `true` or `false`."""
    if raw not in {"true", "false"}:
        raise APIError(f"Invalid boolean: {raw}", param=name)
    return bool(raw == "true")


def choice(*accepted: str) -> Check:
    """Take one of `accepted`."""

    def check(raw: Any, name: str) -> str:
        if raw not in accepted:
            message = f"Invalid {name}: must be one of {', '.join(accepted)}"
            raise APIError(message, param=name)
        return str(raw)

    return check


def choices(*accepted: str) -> Check:
    """Take a list of `accepted` ones."""
    one = choice(*accepted)

    def check(raw: Any, name: str) -> list[str]:
        return [one(item, f"{name}[{index}]") for index, item in enumerate(strings(raw, name))]

    return check


def moment(*words: str) -> Check:
    """Take a second of epoch time, or one of `words`."""

    def check(raw: Any, name: str) -> int | str:
        return str(raw) if raw in words else integer(raw, name)

    return check


def clearable(check: Check) -> Check:
    """Take what `check` takes, or the empty text, which clears the field and gives None."""
    return lambda raw, name: None if raw == "" else check(raw, name)


def strings(raw: Any, name: str) -> list[str]:
    """Take a list of texts."""
    if not isinstance(raw, list):
        raise APIError(f"Invalid array: {name}", param=name)
    return [text(item, f"{name}[{index}]") for index, item in enumerate(raw)]


def integers(raw: Any, name: str) -> tuple[int, ...]:
    """Take a list of whole numbers; the empty text is none of them."""
    found = [] if raw == "" else strings(raw, name)
    return tuple(integer(item, name) for item in found)


def metadata(raw: Any, name: str) -> dict[str, str]:
    """Take the caller's own keys; an empty value asks for the key to be removed."""
    if raw == "":
        return {}
    # Keys that are all numbers come out of the form parser as a list.
    found = dict(enumerate(raw)) if isinstance(raw, list) else raw
    if not isinstance(found, dict) or len(found) > _METADATA_KEYS:
        raise APIError(f"Invalid hash: {name} takes at most {_METADATA_KEYS} keys", param=name)
    pairs = {str(key): text(value, f"{name}[{key}]") for key, value in found.items()}
    for key, value in pairs.items():
        if len(key) > _METADATA_KEY_CHARS or len(value) > _METADATA_VALUE_CHARS:
            raise APIError(f"Metadata too long: {key}", param=f"{name}[{key}]")
    return pairs


def group(spec: Spec) -> Check:
    """Take a hash with the parameters of `spec`."""

    def check(raw: Any, name: str) -> Nested:
        if not isinstance(raw, dict):
            raise APIError(f"Invalid hash: {name}", param=name)
        return check_params(spec, raw, name)

    return check


def groups(spec: Spec) -> Check:
    """Take a list of hashes with the parameters of `spec`."""
    one = group(spec)

    def check(raw: Any, name: str) -> list[Nested]:
        if not isinstance(raw, list):
            raise APIError(f"Invalid array: {name}", param=name)
        return [one(item, f"{name}[{index}]") for index, item in enumerate(raw)]

    return check


def created(raw: Any, name: str) -> dict[str, int]:
    """Take a time filter: one second of epoch time, or a hash of gt, gte, lt, lte."""
    if isinstance(raw, dict):
        bounds = dict.fromkeys(("gt", "gte", "lt", "lte"), integer)
        return check_params(bounds, raw, name)
    moment = integer(raw, name)
    return {"gte": moment, "lte": moment}
