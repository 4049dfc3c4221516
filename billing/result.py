"""What came of reading an object of a provider again, for whoever asked for it."""

from dataclasses import dataclass
from enum import StrEnum


class Applied(StrEnum):
    """What came of reading an object again."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    STALE = "stale"
    FOREIGN = "foreign"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Change:
    """What an observation changed, in words that a reader understands."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """`client_id` is whose facts are now current; None where the object is not ours.

    `detail` of a WAITING checkout is its `CheckoutState`. `changes` is what became
    different, or would have in a dry run.
    """

    applied: Applied
    client_id: str | None = None
    detail: str = ""
    changes: tuple[Change, ...] = ()
