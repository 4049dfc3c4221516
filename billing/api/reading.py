"""Reads a request strictly: what two readers could take for two things is refused. Pure.

Of two fields of one name, parsers take the first, the last or both; a field that is not
known may be one misspelt. Neither passes here (RFC 8259, section 4; RFC 7493).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from billing.api.models.problem import FieldError
from billing.api.models.shapes import Input, Query
from billing.api.problems import (
    INVALID,
    NOT_ACCEPTABLE,
    UNKNOWN_FORM,
    UNREADABLE,
    ProblemError,
)

_M = TypeVar("_M", bound=BaseModel)

# There are fewer parameters and fields than that; a caller's own text is told back no longer.
_MAX_PARAMETERS: Final = 20
_MAX_ERRORS: Final = 20
_MAX_NAME_CHARS: Final = 64
_KEY_CHARS: Final = frozenset(map(chr, range(0x21, 0x7F)))
MAX_KEY_CHARS: Final = 200


def check_accept(fields: Sequence[str]) -> None:
    """Refuse a request whose `Accept` lets no JSON in (RFC 9110, section 12.5.1).

    Raises:
        ProblemError: 406.
    """
    if not fields:
        return
    best: tuple[int, float] = (-1, 0.0)
    for choice in ",".join(fields).split(","):
        name, *parameters = (part.strip().lower() for part in choice.split(";"))
        ways = {"*/*": 0, "application/*": 1, "application/json": 2}
        if name in ways:
            # The most telling choice counts, however it is weighed.
            best = max(best, (ways[name], _weight_of(parameters)))
    if best[1] <= 0:
        raise ProblemError(NOT_ACCEPTABLE)


def _weight_of(parameters: Sequence[str]) -> float:
    text = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    try:
        return float(text)
    except ValueError:
        return 0.0


def check_form(content_type: str, content_encoding: str) -> None:
    """Refuse a body that is not plain JSON.

    Raises:
        ProblemError: 415.
    """
    name, *parameters = (part.strip().lower() for part in content_type.split(";"))
    is_utf8 = all(p in {"", "charset=utf-8", 'charset="utf-8"'} for p in parameters)
    if name != "application/json" or not is_utf8:
        raise ProblemError(UNKNOWN_FORM, headers={"Accept": "application/json"})
    if content_encoding.lower() not in {"", "identity"}:
        raise ProblemError(UNKNOWN_FORM, headers={"Accept-Encoding": "identity"})


def read_body(model: type[Input], body: bytes) -> Input:
    """Return the body as what it has to be.

    Raises:
        ProblemError: 400 if it is not one JSON object, 422 if that says what cannot be.
    """
    try:
        text = body.decode("utf-8", "strict")
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise ProblemError(UNREADABLE, "the body is not UTF-8") from None
    except RecursionError:
        raise ProblemError(UNREADABLE, "the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ProblemError(UNREADABLE, f"the body is not JSON: {error}") from None
    except _DoubtfulError as error:
        raise ProblemError(UNREADABLE, str(error)) from None
    except ValueError:
        # Python reads no number that long, and says so in words about itself.
        raise ProblemError(UNREADABLE, "the body holds a number that is too long") from None
    if not isinstance(found, dict):
        raise ProblemError(UNREADABLE, "the body is not a JSON object")
    return _validated(lambda: model.model_validate_json(body), is_body=True)


def read_query(model: type[Query], text: str) -> Query:
    """Return the query's parameters as what they have to be.

    Raises:
        ProblemError: 400 if it cannot be read, 422 if it says what cannot be.
    """
    try:
        pairs = (
            parse_qsl(
                text,
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=_MAX_PARAMETERS,
            )
            if text
            else []
        )
    except ValueError:
        raise ProblemError(UNREADABLE, "the query cannot be read") from None
    names = [name for name, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ProblemError(UNREADABLE, f"the parameter {_short(twice)} stands twice in the query")
    return _validated(lambda: model.model_validate(dict(pairs)), is_body=False)


def read_key(fields: Sequence[str]) -> str | None:
    """Return the Idempotency-Key, or None if there is none.

    Raises:
        ProblemError: 400; it is too long, holds what no header should, or came twice.
    """
    if not fields:
        return None
    key = fields[0]
    if len(fields) > 1 or not 0 < len(key) <= MAX_KEY_CHARS or not _KEY_CHARS.issuperset(key):
        raise ProblemError(
            UNREADABLE,
            f"an Idempotency-Key has 1 to {MAX_KEY_CHARS} visible characters of ASCII, no space",
        )
    return key


class _DoubtfulError(ValueError):
    """JSON that two readers could take for two things; the message is told."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DoubtfulError("a field stands twice in the body")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _DoubtfulError(f"{name} is no number of JSON")


def _validated(validate: Callable[[], _M], *, is_body: bool) -> _M:
    try:
        return validate()
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(one["type"] == "json_invalid" for one in found):
        raise ProblemError(UNREADABLE, "the body is not JSON")
    raise ProblemError(INVALID, errors=[_told(one, is_body=is_body) for one in found[:_MAX_ERRORS]])


def _told(error: ErrorDetails, *, is_body: bool) -> FieldError:
    # Bodies are flat: what follows the field's name is a choice of its type.
    name = _short(str(error["loc"][0])) if error["loc"] else ""
    if not is_body:
        return FieldError(parameter=name, detail=error["msg"])
    escaped = name.replace("~", "~0").replace("/", "~1")
    return FieldError(pointer=f"/{escaped}" if error["loc"] else "", detail=error["msg"])


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME_CHARS else f"{name[:_MAX_NAME_CHARS]}…"
