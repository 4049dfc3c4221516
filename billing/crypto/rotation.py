"""Gives every sealed value the first key of the ring, a batch at a time, beside whoever serves.

A batch is one short transaction. Stopped at any point, the next run goes on where this one ended:
what has the first key is not touched again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from billing.model import Cause
from billing.storage.audit import write_audit
from billing.storage.pool import Database
from billing.storage.sealed_columns import COLUMNS, count_other, reseal

# Some milliseconds of locks; a visitor who waits for one does not notice.
_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many values were sealed anew, and how many did not open and stay as they are."""

    sealed: int
    failed: int


async def count_to_rotate(database: Database) -> int:
    """Return how many values have another key than the first."""
    async with database.connection() as connection:
        return sum([await count_other(connection, column) for column in COLUMNS])


async def rotate(
    database: Database, cause: Cause, *, on_progress: Callable[[int], None] = lambda _: None
) -> Rotated:
    """Seal everything with the first key; `on_progress` hears how many values each batch had.

    Raises:
        UnavailableError: the database does not answer; run it again.
    """
    sealed = failed = 0
    for column in COLUMNS:
        after: str | None = None
        while True:
            async with database.transaction() as connection:
                batch = await reseal(connection, column, after, _BATCH)
            sealed, failed = sealed + batch.sealed, failed + batch.failed
            on_progress(batch.sealed + batch.failed)
            if batch.after is None:
                break
            after = batch.after
    if sealed or failed:
        told = {"key_id": database.ring.key_id, "sealed": sealed, "failed": failed}
        async with database.transaction() as connection:
            await write_audit(connection, "keys.rotated", None, cause, after=told)
    return Rotated(sealed, failed)
