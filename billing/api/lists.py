"""Lists, a part at a time. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from billing.api.models.shapes import PageQuery

_R = TypeVar("_R")


def next_url_of(url: str, query: PageQuery, cursor: str | None) -> str | None:
    """Return where the list at `url` goes on, asked the same; None where it ends."""
    if cursor is None:
        return None
    asked = query.model_dump(exclude_unset=True, exclude_none=True, mode="json")
    return f"{url}?{urlencode(asked | {'cursor': cursor})}"


def cut(
    rows: Sequence[_R], limit: int, cursor_of: Callable[[_R], str]
) -> tuple[Sequence[_R], str | None]:
    """Return at most `limit` of the rows, of which one more was read, and the cursor if it was.

    Whether more follows is seen by that one, so that no list ends in an empty part.
    """
    kept = rows[:limit]
    return kept, cursor_of(kept[-1]) if len(rows) > limit else None
