"""The two kinds of models, and the fields that many share.

What comes in is strict: a field that nobody asked for, a number in quotes or a text with
control characters is refused, so that a misspelt field never passes for one left out.
"""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
# No control characters: Postgres takes no NUL, and no reader of a log a line break, nor a
# terminal what else begins a command to it (C1), nor a person what turns the line around (bidi).
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]*$"
# Of configured things (`gateway/config`): apps, features and plans.
_NAME = r"^[a-z0-9][a-z0-9_-]*$"
# From 2000 to 8999: nobody means another year, and at both ends of the calendar Postgres and
# Python have instants that the other one cannot read.
_RFC3339 = re.compile(r"[2-8]\d{3}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
# What a provider can be asked for in one piece.
_MAX_MINOR = 99_999_999_999


class Input(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """The parameters of a query; they are text, and read as what they stand for."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(BaseModel):
    """The body of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


def _in_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


def _rfc3339(value: object) -> object:
    """Read an instant as RFC 3339 writes it, and not as seconds or a date alone."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or _RFC3339.fullmatch(value) is None:
        raise ValueError("an instant is written 2026-12-01T12:00:00Z, its year from 2000 to 8999")
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError("there is no such instant") from None


def _digits(text: object) -> object:
    """Refuse what `int` would take besides digits, such as ` 1_0 `."""
    if isinstance(text, str) and not (text.isascii() and text.isdigit()):
        raise ValueError("digits are expected")
    return text


def _whole(number: object) -> object:
    """Take `5.0` for the integer that it is (JSON Schema, section 6.1.1 of its validation)."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _word(text: object) -> object:
    """Read the two words that a parameter can say, and no other (`yes`, `1`)."""
    if isinstance(text, str):
        if text not in {"true", "false"}:
            raise ValueError("true or false is expected")
        return text == "true"
    return text


Id = Annotated[str, Field(pattern=_UUID, json_schema_extra={"format": "uuid"})]
Line = Annotated[str, Field(pattern=_LINE, min_length=1, max_length=200)]
Reason = Annotated[
    str,
    Field(
        pattern=_LINE,
        min_length=1,
        max_length=500,
        description="Why, for whoever reads the audit log later. No personal data belongs here.",
    ),
]
ReturnUrl = Annotated[
    str,
    Field(
        pattern=r"^https?://[!-~]+$",
        max_length=2000,
        description="Where the client comes back to from the provider's page: a page of the"
        " gateway or of an app behind it. Left out, that is the client's account.",
    ),
]
ConfiguredName = Annotated[str, Field(pattern=_NAME, min_length=1, max_length=64)]
Instant = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_utc)]
Wanted = Annotated[Instant, Field(json_schema_extra={"pattern": "^[2-8]"})]
"""An instant that a caller names."""
# A validator stands last, or the document loses the bounds before it.
AmountMinor = Annotated[
    int,
    Field(ge=1, le=_MAX_MINOR, description="An amount in the currency's smallest unit."),
    BeforeValidator(_whole),
]
Quantity = Annotated[int, Field(ge=1, le=100_000), BeforeValidator(_whole)]
Count = Annotated[int, Field(ge=0, le=2**53), BeforeValidator(_whole)]
Flag = Annotated[bool, BeforeValidator(_word)]
Cursor = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]+$",
        min_length=1,
        max_length=200,
        description="Where to go on, as `next` said.",
    ),
]
Limit = Annotated[
    int,
    Field(ge=1, le=MAX_LIMIT, description="How many at most."),
    BeforeValidator(_digits),
]


class PageQuery(Query):
    """Which part of a list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


class Page(Output):
    """A part of a list, in a stable order; `next` leads to the part after it."""

    next: str | None = Field(
        description="The URL of the next part; null in the last one. The same stands in `Link`."
    )
