"""Where a list goes on: after the last row that was told. Pure.

A cursor is no secret and no right: whoever makes one up sees other parts of what it may see.
"""

import base64
import binascii
from typing import Final

from billing.api.models.problem import FieldError
from billing.api.problems import IMPOSSIBLE, ProblemError
from billing.storage.ids import parse_id

_MAX_NUMBER: Final = 2**63 - 1


def write_text(place: str) -> str:
    """Return the cursor for what follows the place in a list."""
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def read_text(cursor: str | None) -> str | None:
    """Return the place that the list goes on after, as whoever lists wrote it; None begins it.

    Raises:
        ProblemError: 422; it is no cursor of any list.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        place = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise no_cursor() from None
    # One place, one cursor: what decodes to the same and looks otherwise is made up.
    if write_text(place) != cursor:
        raise no_cursor()
    return place


def read_id(cursor: str | None) -> str | None:
    """Return the id of the row that the list goes on after; None begins it.

    Raises:
        ProblemError: 422; it is no cursor of such a list.
    """
    row_id = read_text(cursor)
    if row_id is not None and parse_id(row_id) is None:
        raise no_cursor()
    return row_id


def write_number(number: int) -> str:
    """Return the cursor for what follows the row of that number."""
    return write_text(str(number))


def read_number(cursor: str | None) -> int | None:
    """Return the number of the row that the list goes on after; None begins it.

    Raises:
        ProblemError: 422; it is no cursor of such a list.
    """
    text = read_text(cursor)
    if text is None:
        return None
    if not text.isdigit() or int(text) > _MAX_NUMBER:
        raise no_cursor()
    return int(text)


def no_cursor() -> ProblemError:
    """Return what to tell of a cursor that is none."""
    told = FieldError(parameter="cursor", detail="This is no cursor of this list.")
    return ProblemError(IMPOSSIBLE, errors=[told])
