"""SQLite: every object as one row of JSON, settings, and the answers kept for repeats.

Statements take well under a millisecond, so they run on the event loop; that also makes a
function without an `await` between its statements whole by itself.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.sandbox.shapes import JSONObject

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of creation; `created` is coarser
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    owner TEXT,                            -- whose it is: a customer, a session, an event's subject
    due_at_s INTEGER,                      -- when time alone will change it, in sandbox seconds
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_by_kind ON object (kind, seq);
CREATE INDEX IF NOT EXISTS object_by_owner ON object (owner, kind, seq);
CREATE INDEX IF NOT EXISTS object_by_due ON object (due_at_s) WHERE due_at_s IS NOT NULL;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
DROP TABLE IF EXISTS answer;   -- these two are of a time before endpoints and before pruning;
DROP TABLE IF EXISTS delivery; -- the events themselves stay listed
CREATE TABLE IF NOT EXISTS kept_answer (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    kept_at_s REAL NOT NULL                -- wall clock
);
CREATE INDEX IF NOT EXISTS kept_answer_by_time ON kept_answer (kept_at_s);
CREATE TABLE IF NOT EXISTS endpoint_delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,                -- the snapshot event, also where a thin one is sent
    endpoint_id TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'held', 'delivered', 'given_up', 'dropped')),
    body BLOB NOT NULL,
    rank REAL NOT NULL,                    -- the order of those that may go out now
    attempts INTEGER NOT NULL DEFAULT 0,
    first_at_s REAL NOT NULL,              -- wall clock, as is the next line
    next_at_s REAL NOT NULL,
    trouble TEXT                           -- what the last attempt met, NULL once delivered
);
CREATE INDEX IF NOT EXISTS endpoint_delivery_pending
    ON endpoint_delivery (next_at_s) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS endpoint_delivery_by_rank
    ON endpoint_delivery (rank, id) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS endpoint_delivery_by_event ON endpoint_delivery (event_id);
"""

# What lists are filtered by beside the owner: a parameter's name, and where the object holds
# it. Each has an index, so that a list costs what it shows and not what there is.
LOOKUPS: dict[str, dict[str, str]] = {
    "charge": {"payment_intent": "$.payment_intent"},
    "checkout.session": {"payment_intent": "$.payment_intent", "subscription": "$.subscription"},
    "dispute": {"charge": "$.charge", "payment_intent": "$.payment_intent"},
    "invoice": {"subscription": "$.parent.subscription_details.subscription"},
    "invoice_payment": {"invoice": "$.invoice", "payment_intent": "$.payment.payment_intent"},
    "price": {"lookup_key": "$.lookup_key", "product": "$.product"},
    "radar.early_fraud_warning": {"charge": "$.charge", "payment_intent": "$.payment_intent"},
    "refund": {"charge": "$.charge", "payment_intent": "$.payment_intent"},
}
_INDEXES = "".join(
    f'CREATE INDEX IF NOT EXISTS "{kind}_by_{name}"'
    f" ON object (json_extract(body, '{path}'), seq) WHERE kind = '{kind}';"
    for kind, paths in LOOKUPS.items()
    for name, path in paths.items()
)

# How long a start waits for a predecessor that is on its way out.
_LOCK_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer kept under an idempotency key, with a fingerprint of the request it answered."""

    fingerprint: str
    status: int
    body: str


class Store:
    """One connection; construct with `Store.open`, and end with `close`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @classmethod
    def open(cls, folder: Path | None) -> "Store":
        """Open `sandbox.sqlite3` in `folder`, making both if they are not there; None is memory.

        With `synchronous=FULL` a commit is on the disk before it returns, so neither a kill
        nor a power cut loses what a client was told.
        """
        path = ":memory:"
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            path = str(folder / "sandbox.sqlite3")
        connection = sqlite3.connect(path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_SCHEMA + _INDEXES)
        return cls(connection)

    def close(self) -> None:
        """Close the connection; the store cannot be used afterwards."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside one change; an inner scope joins the outer one."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def save(self, body: JSONObject, *, owner: str | None, due_at_s: int | None = None) -> None:
        """Insert the object, or replace it and keep its place in the order of creation."""
        self.connection.execute(
            "INSERT INTO object (id, kind, owner, due_at_s, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE"
            " SET owner = excluded.owner, due_at_s = excluded.due_at_s, body = excluded.body",
            (body["id"], body["object"], owner, due_at_s, json.dumps(body)),
        )

    def find(self, kind: str, object_id: str) -> JSONObject | None:
        """Return the object, or None if no object of this kind has the id."""
        row = self.connection.execute(
            "SELECT body FROM object WHERE id = ? AND kind = ?", (object_id, kind)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def delete(self, object_id: str) -> None:
        """Forget the object, if it is there."""
        self.connection.execute("DELETE FROM object WHERE id = ?", (object_id,))

    def newest(
        self,
        kind: str,
        *,
        owner: str | None = None,
        where: Mapping[str, str] | None = None,
        older_than: str | None = None,
    ) -> Iterator[JSONObject]:
        """Go through objects from the newest on, reading only as far as the caller asks.

        `where` holds names of `LOOKUPS` and what the object has to hold there.
        """
        return self._select(kind, owner, where or {}, older_than, newest_first=True)

    def oldest(
        self,
        kind: str,
        *,
        owner: str | None = None,
        where: Mapping[str, str] | None = None,
        newer_than: str | None = None,
    ) -> Iterator[JSONObject]:
        """Go through objects from the oldest on; otherwise as `newest`."""
        return self._select(kind, owner, where or {}, newer_than, newest_first=False)

    def _select(
        self,
        kind: str,
        owner: str | None,
        where: Mapping[str, str],
        cursor: str | None,
        *,
        newest_first: bool,
    ) -> Iterator[JSONObject]:
        # Kinds and paths are constants of this program. They stand in the text, since the
        # planner takes a partial index only where it can see that the condition holds.
        clauses, values = [f"kind = '{kind}'"], []
        for name, value in where.items():
            clauses.append(f"json_extract(body, '{LOOKUPS[kind][name]}') = ?")
            values.append(value)
        if owner is not None:
            clauses.append("owner = ?")
            values.append(owner)
        if cursor is not None:
            beyond = "<" if newest_first else ">"
            clauses.append(f"seq {beyond} (SELECT seq FROM object WHERE id = ?)")  # noqa: S608 - constants
            values.append(cursor)
        order = "DESC" if newest_first else "ASC"
        rows = self.connection.execute(
            f"SELECT body FROM object WHERE {' AND '.join(clauses)} ORDER BY seq {order}",  # noqa: S608 - constants only, see above
            values,
        )
        return (json.loads(body) for (body,) in rows)

    def count(self, kind: str) -> int:
        """Return how many objects of the kind there are."""
        query = "SELECT count(*) FROM object WHERE kind = ?"
        return int(self.connection.execute(query, (kind,)).fetchone()[0])

    def find_due(self, now_s: int) -> tuple[JSONObject, int] | None:
        """Return the object that fell due first, with its time, or None if nothing is due."""
        row = self.connection.execute(
            "SELECT body, due_at_s FROM object WHERE due_at_s <= ? ORDER BY due_at_s, seq LIMIT 1",
            (now_s,),
        ).fetchone()
        return None if row is None else (json.loads(row[0]), int(row[1]))

    def find_setting(self, name: str) -> str | None:
        """Return the setting's value, or None if it was never saved."""
        query = "SELECT value FROM setting WHERE name = ?"
        row = self.connection.execute(query, (name,)).fetchone()
        return None if row is None else str(row[0])

    def save_setting(self, name: str, value: str) -> None:
        """Save the setting, over what was there."""
        self.connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def find_answer(self, key: str) -> Answer | None:
        """Return what was answered under the idempotency key, or None for a new key."""
        query = "SELECT fingerprint, status, body FROM kept_answer WHERE key = ?"
        row = self.connection.execute(query, (key,)).fetchone()
        return None if row is None else Answer(*row)

    def rewrite_answers(self, old: str, new: str) -> None:
        """Put `new` where kept answers say `old`."""
        self.connection.execute(
            "UPDATE kept_answer SET body = replace(body, :old, :new) WHERE instr(body, :old)",
            {"old": old, "new": new},
        )

    def keep_answer(self, key: str, answer: Answer, now_s: float) -> None:
        """Keep the answer; a second one under the same key is a mistake and raises."""
        self.connection.execute(
            "INSERT INTO kept_answer VALUES (?, ?, ?, ?, ?)",
            (key, answer.fingerprint, answer.status, answer.body, now_s),
        )

    def forget_answers(self, before_s: float) -> None:
        """Forget what was kept before `before_s`, so that its keys are new again."""
        self.connection.execute("DELETE FROM kept_answer WHERE kept_at_s < ?", (before_s,))
