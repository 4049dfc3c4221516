"""A snapshot's two outside forms: the row that Postgres gives, the text that Valkey keeps."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from policies.model import Block, Grant, Snapshot

# Part of every key in Valkey: a program that writes another shape reads and writes
# other keys, so that two versions may run side by side during an upgrade.
FORMAT = 2


def to_snapshot(
    client_id: str,
    version: int,
    taken_at: datetime,
    grants: Sequence[Sequence[Any]] | None,
    blocks: Sequence[Sequence[Any]] | None,
) -> Snapshot:
    """Build a snapshot from the arrays that `storage.grants.read_snapshot_row` selects."""
    return Snapshot(
        client_id=client_id,
        version=version,
        taken_at=taken_at,
        grants=tuple(
            Grant(app_id, feature, value, _instant(start), _maybe(end), plan, status)
            for app_id, feature, value, start, end, plan, status in grants or ()
        ),
        blocks=tuple(
            Block(app_id, service, reason, _instant(start), _maybe(end))
            for app_id, service, reason, start, end in blocks or ()
        ),
    )


def encode(snapshot: Snapshot) -> str:
    """Return the text kept in Valkey."""
    return json.dumps(
        {
            "client": snapshot.client_id,
            "version": snapshot.version,
            "taken": snapshot.taken_at.timestamp(),
            "grants": [
                [g.app_id, g.feature, g.value, *_span(g.from_at, g.until_at), g.plan, g.status]
                for g in snapshot.grants
            ],
            "blocks": [
                [b.app_id, b.service, b.reason, *_span(b.from_at, b.until_at)]
                for b in snapshot.blocks
            ],
        },
        separators=(",", ":"),
    )


def decode(text: str | bytes) -> Snapshot:
    """Read back what `encode` wrote.

    Raises:
        ValueError: the text is something else; the caller treats it as a miss.
    """
    try:
        facts = json.loads(text)
        return to_snapshot(
            facts["client"],
            facts["version"],
            _instant(facts["taken"]),
            facts["grants"],
            facts["blocks"],
        )
    except (KeyError, TypeError, OverflowError, OSError) as error:
        raise ValueError("not a snapshot") from error


def _span(start: datetime, end: datetime | None) -> tuple[float, float | None]:
    return start.timestamp(), end.timestamp() if end else None


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe(seconds: float | None) -> datetime | None:
    return None if seconds is None else _instant(seconds)
