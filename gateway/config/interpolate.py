"""`${NAME}` in a value: taken from the environment, or from the file that NAME_FILE names."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PATTERN = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?", re.DOTALL)
REFERENCE = re.compile(r"\$\{[^}]*\}")
"""A text that is nothing but one reference."""
# A secret is a line; a larger file was named by mistake.
_FILE_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reference:
    """`${name}`, or `${name:-default}`; `default` None means that there is none."""

    name: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Interpolated:
    """`text` after substitution; `names` are the variables that something came from."""

    text: str
    names: tuple[str, ...]


class InterpolationError(Exception):
    """A reference cannot be followed; the message tells which variable to set."""


def split(text: str) -> Iterator[str | Reference]:
    """Yield the plain parts of a text and its references, in order.

    Raises:
        InterpolationError: a reference is not closed, or its name is none. The message
            does not repeat it: the text may be a secret that happens to hold a `${`.
    """
    end = 0
    for match in _PATTERN.finditer(text):
        if match.start() > end:
            yield text[end : match.start()]
        end = match.end()
        if match[0] == "$${":
            yield "${"
            continue
        reference = _NAME.fullmatch(match[1])
        if reference is None or not match[0].endswith("}"):
            raise InterpolationError("this is no reference; write ${NAME}, or $${ for a plain ${")
        yield Reference(reference[1], reference[3])
    if end < len(text):
        yield text[end:]


def is_reference(text: str) -> bool:
    """Tell whether the text is one reference without a default: nothing in it is a secret."""
    return REFERENCE.fullmatch(text) is not None and ":-" not in text


def interpolate(text: str, environment: Mapping[str, str]) -> Interpolated:
    """Replace every `${…}` of the text once; what comes in is not looked at again.

    `${NAME}` is the variable, or the content of the file named by `NAME_FILE`. `${X_FILE}`
    is the content of the file that X_FILE names. `${NAME:-text}` has a default; `$${` is a
    plain `${`. An empty variable counts as one that is not set.

    Raises:
        InterpolationError: variables are not set, or a file cannot be read.
    """
    names: list[str] = []
    parts: list[str] = []
    problems: list[str] = []
    for part in split(text):
        if isinstance(part, str):
            parts.append(part)
            continue
        try:
            found = _find(part.name, environment)
        except InterpolationError as error:
            problems.append(str(error))
            continue
        if found is not None:
            names.append(part.name)
            parts.append(found)
        elif part.default is not None:
            parts.append(part.default)
        else:
            problems.append(_not_set(part.name))
    if problems:
        raise InterpolationError("; ".join(dict.fromkeys(problems)))
    return Interpolated("".join(parts), tuple(names))


def _not_set(name: str) -> str:
    if name.endswith("_FILE"):
        return f"the environment variable {name} is not set; it has to name a file with the value"
    return f"the environment variable {name} is not set; set it, or {name}_FILE to a file's path"


def _find(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the value, or None if it is not set or empty: an empty secret is no secret."""
    if name.endswith("_FILE"):
        path = environment.get(name)
        return _read(name, path) if path else None
    if value := environment.get(name):
        return value
    path = environment.get(f"{name}_FILE")
    return _read(f"{name}_FILE", path) if path else None


def _read(name: str, path: str) -> str:
    """Return the file's content. Messages leave its path out: it may be the secret itself."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_FILE_LIMIT_BYTES + 1)
        if len(raw) > _FILE_LIMIT_BYTES:
            raise InterpolationError(f"the file that {name} names is larger than a value may be")
        text = raw.decode()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InterpolationError(f"the file that {name} names cannot be read: {why}") from None
    except UnicodeDecodeError:
        raise InterpolationError(f"the file that {name} names is not UTF-8") from None
    except ValueError:
        raise InterpolationError(f"what {name} holds is not the path of a file") from None
    return text.removesuffix("\n").removesuffix("\r")
