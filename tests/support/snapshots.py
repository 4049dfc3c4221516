"""Snapshots and grants for tests, with defaults."""

from datetime import UTC, datetime, timedelta

from policies.model import Block, Grant, Snapshot

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
CLIENT = "5b0a3f1e-0000-4000-8000-000000000001"


def make_grant(
    *,
    app_id: str = "notes",
    feature: str = "access",
    value: bool | int | str = True,
    from_at: datetime = NOW - timedelta(days=1),
    until_at: datetime | None = NOW + timedelta(days=1),
    plan: str | None = "reader",
    status: str | None = "active",
) -> Grant:
    """Return a grant that is live at `NOW`."""
    return Grant(app_id, feature, value, from_at, until_at, plan, status)


def make_block(
    *,
    app_id: str | None = None,
    from_at: datetime = NOW - timedelta(days=1),
    until_at: datetime | None = None,
) -> Block:
    """Return a block that is live at `NOW`, of every app by default."""
    return Block(app_id, "dispute", "chargeback", from_at, until_at)


def make_snapshot(
    *facts: Grant | Block, version: int = 1, client_id: str = CLIENT, taken_at: datetime = NOW
) -> Snapshot:
    """Return a snapshot of the grants and blocks given."""
    return Snapshot(
        client_id,
        version,
        taken_at,
        tuple(fact for fact in facts if isinstance(fact, Grant)),
        tuple(fact for fact in facts if isinstance(fact, Block)),
    )
