"""`${NAME}` in a value: taken from the environment, or from the file that NAME_FILE names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PATTERN = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?", re.DOTALL)
# A secret is a line; a larger file was named by mistake.
_FILE_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Interpolated:
    """`text` after substitution. `names` are the variables it came from."""

    text: str
    names: tuple[str, ...]
    used_default: bool


class InterpolationError(Exception):
    """A reference cannot be followed; the message tells which variable to set."""


def interpolate(text: str, environment: Mapping[str, str]) -> Interpolated:
    """Replace every `${…}` of the text once; what comes in is not looked at again.

    `${NAME}` is the variable, or the content of the file named by `NAME_FILE`. `${X_FILE}`
    is the content of the file that X_FILE names. `${NAME:-text}` has a default; `$${` is a
    plain `${`.

    Raises:
        InterpolationError: a variable is not set, or its file cannot be read.
    """
    names: list[str] = []
    parts: list[str] = []
    used_default = False
    end = 0
    for match in _PATTERN.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match[0] == "$${":
            parts.append("${")
            continue
        reference = _NAME.fullmatch(match[1] or "")
        if reference is None or not match[0].endswith("}"):
            raise InterpolationError(f"{match[0]!r} is no reference; write ${{NAME}}, or $${{")
        name, has_default, default = reference[1], reference[2] is not None, reference[3]
        names.append(name)
        found = _find(name, environment)
        if found is None and not has_default:
            raise InterpolationError(
                f"the environment variable {name} is not set, nor {_file_of(name)}; set one"
            )
        used_default = used_default or found is None
        parts.append(default if found is None else found)
    return Interpolated("".join([*parts, text[end:]]), tuple(names), used_default)


def has_default(text: str) -> bool:
    """Tell whether a reference in the text has a default."""
    return any(
        (found := _NAME.fullmatch(match[1] or "")) is not None and found[2] is not None
        for match in _PATTERN.finditer(text)
    )


def _find(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the value, or None if it is not set or empty: an empty secret is no secret."""
    if name.endswith("_FILE"):
        path = environment.get(name)
        return _read(name, path) if path else None
    if value := environment.get(name):
        return value
    path = environment.get(_file_of(name))
    return _read(_file_of(name), path) if path else None


def _file_of(name: str) -> str:
    return name if name.endswith("_FILE") else f"{name}_FILE"


def _read(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_FILE_LIMIT_BYTES + 1)
        text = raw.decode()
    except OSError as error:
        raise InterpolationError(
            f"the file named by {name} cannot be read: {error.strerror} ({path})"
        ) from error
    except UnicodeDecodeError as error:
        raise InterpolationError(f"the file named by {name} is not UTF-8 ({path})") from error
    if len(raw) > _FILE_LIMIT_BYTES:
        raise InterpolationError(f"the file named by {name} is larger than a value is ({path})")
    return text.removesuffix("\n").removesuffix("\r")
