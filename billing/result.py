"""What came of reading an object of a provider again, for whoever asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Applied(StrEnum):
    """What came of reading an object again.

    STALE: a later look was there already, or a snapshot was too old or would have lowered
    access. FOREIGN: the object is none of ours. WAITING: a checkout is not paid yet.
    """

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    STALE = "stale"
    FOREIGN = "foreign"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Change:
    """What became different, in words that a reader understands.

    `field` names it in full ("subscription sub_1 status"), `kind` names one of a few
    ("subscription.status"), for counting.
    """

    field: str
    kind: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """`client_id` is whose facts are now current; None where the object is not ours.

    `detail` of a checkout of ours is its `CheckoutState`, else it says why. `changes` is
    what became different, or would have in a dry run.
    """

    applied: Applied
    client_id: str | None = None
    detail: str = ""
    changes: tuple[Change, ...] = ()


Told = Mapping[str, object]
"""What a row says, by field; None for what it does not say."""


def changes_between(
    kind: str, name: str, before: Told | None, after: Told | None
) -> tuple[Change, ...]:
    """Return the fields in which two tellings of the thing `name` differ."""
    was, now = before or {}, after or {}
    return tuple(
        Change(
            f"{kind} {name} {field}",
            f"{kind}.{field.split()[0]}",
            tell(was.get(field)),
            tell(value),
        )
        for field, value in {**dict.fromkeys(was), **now}.items()
        if tell(was.get(field)) != tell(value)
    )


def joined(first: Result, *others: Result) -> Result:
    """Return one result for several objects that were read for the sake of the first."""
    changes = tuple(change for result in (first, *others) for change in result.changes)
    is_settled = first.applied in {Applied.CHANGED, Applied.UNCHANGED}
    applied = Applied.CHANGED if changes and is_settled else first.applied
    return Result(applied, first.client_id, first.detail, changes)


def tell(value: object) -> str | None:
    """Return the value in the words of a change; None stays None."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
