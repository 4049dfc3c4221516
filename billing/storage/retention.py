"""What is deleted once it has had its time, and when that is (docs/operations.md)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from billing.storage.idempotent_requests import KEPT_FOR
from billing.storage.pool import Database

# A key that comes again is the same wish for as long as that may still be asked of somebody: a
# year's books are closed by then.
_BOOKS: Final = timedelta(days=400)
_NOW: Final = timedelta()
# A thousand rows are deleted well within the time-out of a statement.
_ROWS: Final = 1000
# Of each kind in a run: no more than a minute's work, and more than come until the next one.
_BATCHES: Final = 100


@dataclass(frozen=True, slots=True)
class _Rule:
    """Rows of a table that are `old` (as SQL, `$1` is the instant before which) may go."""

    table: str
    old: str
    kept_for: timedelta


_RULES: Final = (
    _Rule("session_tickets", "expires_at < $1", _NOW),
    # Nobody is let in by one that was ended. Those carried from it were ended with it, and a
    # carried one never outlives its parent, so that the cascade ends nothing early.
    _Rule("sessions", "expires_at < $1 or revoked_at < $1", _NOW),
    _Rule("idempotent_requests", "claimed_at <= $1", KEPT_FOR),
    _Rule(
        "checkout_keys",
        "created_at < $1 and not exists"
        " (select from checkout_intents i where i.id = intent_id and i.state = 'open')",
        _BOOKS,
    ),
    # One of which nobody knows yet what came has no such instant.
    _Rule("provider_commands", "done_at < $1", _BOOKS),
    _Rule("drift", "at < $1", _BOOKS),
)


async def prune(database: Database, now: datetime) -> dict[str, int]:
    """Delete what is too old, a batch at a time; return how much of each table that was.

    Several processes may do it at once. What is left for the next run is the rest of very much.
    """
    return {rule.table: await _prune(database, rule, now - rule.kept_for) for rule in _RULES}


async def _prune(database: Database, rule: _Rule, before: datetime) -> int:
    deleted = 0
    for _ in range(_BATCHES):
        async with database.connection() as connection:
            status = await connection.execute(
                f"delete from {rule.table} where ctid = any(array("  # noqa: S608 - our own rules
                f" select ctid from {rule.table} where {rule.old} limit $2"
                " for update skip locked))",
                before,
                _ROWS,
            )
        gone = int(status.rpartition(" ")[2])
        deleted += gone
        if gone < _ROWS:
            break
    return deleted
