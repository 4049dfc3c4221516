"""A burst of events, of which Postgres has no statistics yet; and locks that an accident leaves."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from billing.storage.inbox_claims import claim_events
from billing.storage.pool import Database, KeyedConnection
from tests.support.keys import RING

EVENTS, OBJECTS = 3000, 150
LEASE = timedelta(seconds=60)
LIMIT_S = 10.0
NOW = datetime(2026, 11, 25, tzinfo=UTC)


async def test_a_claim_does_not_read_the_whole_inbox(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            "insert into psp_inbox (psp, external_id, type, object_ref, livemode, occurred_at,"
            " received_at, body, headers, next_attempt_at)"
            " select 'stripe', 'evt_' || n, 'some.event', 'subscription:sub_' || n % $2::int,"
            " false, $3, $3, '', '{}', $3::timestamptz - make_interval(secs => n)"
            " from generate_series(1, $1::int) n",
            EVENTS,
            OBJECTS,
            NOW,
        )
    async with database.transaction() as connection:
        rows = await claim_events(connection, "stripe", NOW, LEASE, uuid4(), EVENTS)
        read = await connection.fetchval(
            "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables"
            " where relname = 'psp_inbox'"
        )

    assert len(rows) == EVENTS // OBJECTS
    assert [row["object_ref"] for row in rows if row["is_head"]] == ["subscription:sub_0"]
    assert read < EVENTS // 2


class Interrupted(KeyedConnection):
    """Never gets to unlocking what it locked."""

    async def execute(self, query: str, *args: Any, **options: Any) -> Any:
        if "pg_advisory_unlock(" in query:
            raise asyncio.CancelledError(query)
        return await super().execute(query, *args, **options)


async def test_a_lock_is_free_again_when_its_unlocking_was_interrupted(
    database: Database, database_url: str
) -> None:
    opened = await Database.open(database_url, size=2, ring=RING, connection_class=Interrupted)
    try:
        with pytest.raises(asyncio.CancelledError):
            async with opened.locked("subscription:sub_1"):
                pass

        async with asyncio.timeout(LIMIT_S), database.locked("subscription:sub_1"):
            pass
    finally:
        await opened.close()
