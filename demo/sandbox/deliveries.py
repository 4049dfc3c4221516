"""SQLite: which event still has to reach the webhook URL, and how its attempts went."""

from dataclasses import dataclass
from typing import Literal

from demo.sandbox.store import Store

_PENDING_FIELDS = "event_id, body, attempts, first_at_s, next_at_s"


@dataclass(frozen=True, slots=True)
class Pending:
    """An event on its way; times are seconds of the wall clock."""

    event_id: str
    body: bytes
    attempts: int
    first_at_s: float
    next_at_s: float


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """How the delivery of one event stands; `trouble` is what the last attempt met, or None."""

    state: Literal["pending", "delivered", "given_up"]
    attempts: int
    next_at_s: float
    trouble: str | None


class Deliveries:
    """The queue of deliveries, in the store's file so that an event and its delivery are one."""

    def __init__(self, store: Store) -> None:
        self._db = store.connection

    def add(self, event_id: str, body: bytes, now_s: float) -> None:
        """Queue the event. Every attempt sends this very body, as Stripe's do."""
        self._db.execute(
            "INSERT INTO delivery (event_id, state, body, first_at_s, next_at_s)"
            " VALUES (?, 'pending', ?, ?, ?)",
            (event_id, body, now_s, now_s),
        )

    def due(self, now_s: float, limit: int, excluded: set[str]) -> list[Pending]:
        """Return at most `limit` deliveries that may go out now, without those in `excluded`."""
        rows = self._db.execute(
            f"SELECT {_PENDING_FIELDS} FROM delivery"  # noqa: S608 - a constant of this file
            " WHERE state = 'pending' AND next_at_s <= ? ORDER BY next_at_s LIMIT ?",
            (now_s, limit + len(excluded)),
        )
        return [Pending(*row) for row in rows if row[0] not in excluded][:limit]

    def next_due_at_s(self, excluded: set[str]) -> float | None:
        """Return when the next delivery falls due, or None if all are done or in `excluded`."""
        rows = self._db.execute(
            "SELECT event_id, next_at_s FROM delivery WHERE state = 'pending'"
            " ORDER BY next_at_s LIMIT ?",
            (1 + len(excluded),),
        )
        return next((at_s for event_id, at_s in rows if event_id not in excluded), None)

    def hurry(self, now_s: float) -> None:
        """Make everything pending due now: after a restart nobody should sit out old waits."""
        self._db.execute(
            "UPDATE delivery SET next_at_s = ? WHERE state = 'pending' AND next_at_s > ?",
            (now_s, now_s),
        )

    def mark_delivered(self, event_id: str) -> None:
        """Record that the receiver took the event."""
        self._db.execute(
            "UPDATE delivery SET state = 'delivered', attempts = attempts + 1, trouble = NULL"
            " WHERE event_id = ?",
            (event_id,),
        )

    def mark_failed(self, event_id: str, trouble: str, next_at_s: float | None) -> None:
        """Record a failed attempt; with `next_at_s` None it was the last one."""
        self._db.execute(
            "UPDATE delivery SET attempts = attempts + 1, trouble = :trouble,"
            " state = CASE WHEN :next_at_s IS NULL THEN 'given_up' ELSE 'pending' END,"
            " next_at_s = coalesce(:next_at_s, next_at_s) WHERE event_id = :event_id",
            {"event_id": event_id, "trouble": trouble, "next_at_s": next_at_s},
        )

    def resend(self, event_id: str, now_s: float) -> bool:
        """Queue the event again, delivered or not; False if there is no such event."""
        cursor = self._db.execute(
            "UPDATE delivery SET state = 'pending', first_at_s = ?, next_at_s = ?"
            " WHERE event_id = ?",
            (now_s, now_s, event_id),
        )
        return cursor.rowcount == 1

    def find(self, event_id: str) -> DeliveryState | None:
        """Return how the event's delivery stands, or None if there is no such event."""
        row = self._db.execute(
            "SELECT state, attempts, next_at_s, trouble FROM delivery WHERE event_id = ?",
            (event_id,),
        ).fetchone()
        return None if row is None else DeliveryState(*row)

    def count_pending(self) -> int:
        """Return how many events the receiver has not taken yet."""
        query = "SELECT count(*) FROM delivery WHERE state = 'pending'"
        return int(self._db.execute(query).fetchone()[0])
