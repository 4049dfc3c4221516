"""SQLite: which event still has to reach which endpoint, and how its attempts went."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from demo.sandbox.store import Store

_PENDING_FIELDS = "id, event_id, endpoint_id, body, attempts, first_at_s"


State: TypeAlias = Literal["pending", "held", "delivered", "given_up", "dropped"]


@dataclass(frozen=True, slots=True)
class Pending:
    """A delivery on its way; `first_at_s` is in seconds of the wall clock."""

    id: int
    event_id: str
    endpoint_id: str
    body: bytes
    attempts: int
    first_at_s: float


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """How one delivery stands; `trouble` is what the last attempt met, or None."""

    id: int
    endpoint_id: str
    state: State
    attempts: int
    next_at_s: float
    trouble: str | None


class Deliveries:
    """The queue of deliveries, in the store's file so that an event and its deliveries are one."""

    def __init__(self, store: Store) -> None:
        self._db = store.connection

    def add(
        self,
        event_id: str,
        endpoint_id: str,
        body: bytes,
        *,
        state: State,
        now_s: float,
        delay_s: float = 0.0,
        places: float = 0.0,
    ) -> None:
        """Queue a delivery. Every attempt sends this very body, as Stripe's do.

        It may go out `delay_s` from now, and so many `places` later than its turn.
        """
        self._db.execute(
            "INSERT INTO endpoint_delivery"
            " (event_id, endpoint_id, state, body, rank, first_at_s, next_at_s)"
            " SELECT ?, ?, ?, ?, coalesce(max(id), 0) + 1 + ?, ?, ? FROM endpoint_delivery",
            (event_id, endpoint_id, state, body, places, now_s, now_s + delay_s),
        )

    def due(self, now_s: float, limit: int, excluded: set[int]) -> list[Pending]:
        """Return at most `limit` deliveries that may go out now, without those in `excluded`."""
        # By that index, or everything due would be sorted for the few that are wanted.
        rows = self._db.execute(
            f"SELECT {_PENDING_FIELDS} FROM endpoint_delivery"  # noqa: S608 - a constant of this file
            " INDEXED BY endpoint_delivery_by_rank"
            " WHERE state = 'pending' AND next_at_s <= ? ORDER BY rank, id LIMIT ?",
            (now_s, limit + len(excluded)),
        )
        return [Pending(*row) for row in rows if row[0] not in excluded][:limit]

    def next_due_at_s(self, excluded: set[int]) -> float | None:
        """Return when the next delivery falls due, or None if all are done or in `excluded`."""
        rows = self._db.execute(
            "SELECT id, next_at_s FROM endpoint_delivery WHERE state = 'pending'"
            " ORDER BY next_at_s LIMIT ?",
            (1 + len(excluded),),
        )
        return next((at_s for delivery_id, at_s in rows if delivery_id not in excluded), None)

    def hurry(self, now_s: float) -> None:
        """Make everything pending due now: after a restart nobody should sit out old waits."""
        self._db.execute(
            "UPDATE endpoint_delivery SET next_at_s = ? WHERE state = 'pending' AND next_at_s > ?",
            (now_s, now_s),
        )

    def mark_delivered(self, delivery_id: int) -> None:
        """Record that the receiver took the event."""
        self._db.execute(
            "UPDATE endpoint_delivery"
            " SET state = 'delivered', attempts = attempts + 1, trouble = NULL"
            " WHERE id = ? AND state = 'pending'",
            (delivery_id,),
        )

    def mark_failed(self, delivery_id: int, trouble: str, next_at_s: float | None) -> None:
        """Record a failed attempt; with `next_at_s` None it was the last one."""
        self._db.execute(
            "UPDATE endpoint_delivery SET attempts = attempts + 1, trouble = :trouble,"
            " state = CASE WHEN :next_at_s IS NULL THEN 'given_up' ELSE 'pending' END,"
            " next_at_s = coalesce(:next_at_s, next_at_s) WHERE id = :id AND state = 'pending'",
            {"id": delivery_id, "trouble": trouble, "next_at_s": next_at_s},
        )

    def give_up(self, endpoint_id: str, trouble: str) -> None:
        """Give up what an endpoint has still to get, since it takes nothing any more."""
        self._db.execute(
            "UPDATE endpoint_delivery SET state = 'given_up', trouble = ?"
            " WHERE endpoint_id = ? AND state IN ('pending', 'held')",
            (trouble, endpoint_id),
        )

    def resend(self, event_id: str, now_s: float) -> bool:
        """Queue every delivery of the event again; False if there is none."""
        cursor = self._db.execute(
            "UPDATE endpoint_delivery SET state = 'pending', first_at_s = ?, next_at_s = ?"
            " WHERE event_id = ?",
            (now_s, now_s, event_id),
        )
        return cursor.rowcount > 0

    def release(self, event_ids: Sequence[str], now_s: float) -> int:
        """Let what is held of these events go, in their order; return how many deliveries."""
        count = 0
        (last,) = self._db.execute("SELECT max(rank) FROM endpoint_delivery").fetchone()
        for place, event_id in enumerate(event_ids, start=1):
            cursor = self._db.execute(
                "UPDATE endpoint_delivery"
                " SET state = 'pending', first_at_s = ?, next_at_s = ?, rank = ?"
                " WHERE event_id = ? AND state = 'held'",
                (now_s, now_s, last + place, event_id),
            )
            count += cursor.rowcount
        return count

    def held(self) -> list[str]:
        """Return the events of which something is held, in the order of their making."""
        rows = self._db.execute(
            "SELECT event_id FROM endpoint_delivery WHERE state = 'held'"
            " GROUP BY event_id ORDER BY min(id)"
        )
        return [event_id for (event_id,) in rows]

    def of_event(self, event_id: str) -> list[DeliveryState]:
        """Return how the event's deliveries stand, one for each endpoint and copy."""
        rows = self._db.execute(
            "SELECT id, endpoint_id, state, attempts, next_at_s, trouble FROM endpoint_delivery"
            " WHERE event_id = ? ORDER BY id",
            (event_id,),
        )
        return [DeliveryState(*row) for row in rows]

    def count_unsuccessful(self, event_id: str) -> int:
        """Return how many of the event's deliveries have not been taken, whatever the reason."""
        query = "SELECT count(*) FROM endpoint_delivery WHERE event_id = ? AND state != 'delivered'"
        return int(self._db.execute(query, (event_id,)).fetchone()[0])

    def counts(self) -> dict[State, int]:
        """Return how many deliveries there are in each state."""
        query = "SELECT state, count(*) FROM endpoint_delivery GROUP BY state"
        return dict.fromkeys(get_args(State), 0) | dict(self._db.execute(query))

    def count_pending(self) -> int:
        """Return how many deliveries the receivers have not taken yet."""
        return self.counts()["pending"]
