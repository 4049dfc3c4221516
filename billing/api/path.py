"""What may stand in the braces of the table's paths; what cannot be an id names nothing. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class PathValue:
    """One kind of value. `schema` says the same as `pattern`, to whoever reads the document."""

    pattern: re.Pattern[str]
    schema: Mapping[str, Any]
    description: str


_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ID: Final = {"type": "string", "format": "uuid"}
_NUMBER: Final = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
_PLAN: Final = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}

PATH_VALUES: Final[Mapping[str, PathValue]] = {
    "id": PathValue(_UUID, _ID, "To read, the client's id; to end, the subscription's."),
    "client_id": PathValue(
        _UUID, _ID, "The client's id; `GET /clients?external_id=` finds who is known by another."
    ),
    "payment_id": PathValue(_UUID, _ID, "The payment's id."),
    "grant_id": PathValue(_UUID, _ID, "The grant's id."),
    "block_id": PathValue(_UUID, _ID, "The block's id."),
    "plan_id": PathValue(re.compile(r"[a-z0-9][a-z0-9_-]{0,63}"), _PLAN, "The plan's id."),
    "event_id": PathValue(re.compile(r"[1-9][0-9]{0,17}"), _NUMBER, "The event's number."),
}


def is_path_value(name: str, text: str) -> bool:
    """Tell whether the text can stand there."""
    return PATH_VALUES[name].pattern.fullmatch(text) is not None
