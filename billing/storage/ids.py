"""Ids of ours that came from outside."""

from uuid import UUID


def parse_id(text: str) -> UUID | None:
    """Return the id that the text is in its one usual form, or None if it is none of ours."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
