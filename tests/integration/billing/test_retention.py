"""What has had its time is deleted, a batch at a time; what may still be asked for stays."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from billing.storage.clients import get_or_create_client
from billing.storage.plans import publish_plans
from billing.storage.pool import Connection, Database
from billing.storage.retention import prune
from tests.support.clock import FakeClock
from tests.support.plans import make_plan

_Write = Callable[[Connection, str, datetime], Awaitable[object]]


async def _session(connection: Connection, client_id: str, at: datetime) -> None:
    """Write a session that ended by itself at the instant."""
    await connection.execute(
        "insert into sessions (token_hash, client_id, host, created_at, expires_at)"
        " values (sha256($2::text::bytea), $1::text::uuid, 'h', $3, $3)",
        *(client_id, str(at), at),
    )


async def _ended_session(connection: Connection, client_id: str, at: datetime) -> None:
    """Write a session that was ended at the instant, with one that was carried from it."""
    for host, parent in (("h", None), ("app", "h")):
        await connection.execute(
            "insert into sessions"
            " (token_hash, client_id, host, parent, created_at, expires_at, revoked_at) values"
            " (sha256(($2 || $3)::bytea), $1::text::uuid, $2, sha256(($4::text || $3)::bytea), $5,"
            " $5::timestamptz + interval '1000 days', $5)",
            *(client_id, host, str(at), parent, at),
        )


async def _answer(connection: Connection, _: str, at: datetime) -> None:
    await connection.execute(
        "insert into idempotent_requests (caller, key, fingerprint, claimed_at)"
        " values ('api:a', $1, '', $2)",
        *(str(at.timestamp()), at),
    )


async def _drift(connection: Connection, _: str, at: datetime) -> None:
    await connection.execute(
        "insert into drift (at, psp, object_ref, field, found_by)"
        " values ($1, 'stripe', 'subscription:sub_1', 'status', 'share')",
        at,
    )


async def _key(
    connection: Connection, client_id: str, at: datetime, state: str = "completed"
) -> None:
    await connection.execute(
        "with intent as (insert into checkout_intents (client_id, plan, version, psp, livemode,"
        " idempotency_key, state, return_host, return_to, created_at) values"
        " ($1::text::uuid, 'reader', 1, 'stripe', false, $2, $3, 'h', '/', $4) returning id)"
        " insert into checkout_keys (client_id, key, plan, quantity, intent_id, created_at)"
        " select $1::text::uuid, $2, 'reader', 1, id, $4 from intent",
        *(client_id, str(at.timestamp()), state, at),
    )


async def _command(
    connection: Connection, client_id: str, at: datetime, state: str = "done"
) -> None:
    await connection.execute(
        "insert into provider_commands (key, psp, livemode, client_id, kind, subject, wish, params,"
        " state, actor, created_at, done_at) values ($2, 'stripe', false, $1::text::uuid, 'refund',"
        " gen_random_uuid(), '{}', '{}', $3, 'api:a', $4, $5)",
        *(client_id, str(at.timestamp()), state, at, None if state == "pending" else at),
    )


@pytest.fixture
async def client_id(database: Database) -> str:
    await publish_plans(database, (make_plan("reader"),), psp="stripe", livemode=False)
    async with database.transaction() as connection:
        return await get_or_create_client(connection, "ann")


@pytest.mark.parametrize(
    ("table", "write", "kept_days", "rows"),
    [
        ("sessions", _session, 0, 1),
        ("sessions", _ended_session, 0, 2),
        ("idempotent_requests", _answer, 1, 1),
        ("checkout_keys", _key, 400, 1),
        ("provider_commands", _command, 400, 1),
        ("drift", _drift, 400, 1),
    ],
)
async def test_what_has_had_its_time_goes_and_what_has_not_stays(
    database: Database,
    clock: FakeClock,
    client_id: str,
    table: str,
    write: _Write,
    kept_days: int,
    rows: int,
) -> None:
    edge = clock() - timedelta(days=kept_days)
    async with database.connection() as connection:
        await write(connection, client_id, edge - timedelta(seconds=1))
        await write(connection, client_id, edge + timedelta(seconds=1))

    await prune(database, clock())

    async with database.connection() as connection:
        left = await connection.fetchval(f"select count(*) from {table}")
    assert left == rows


@pytest.mark.parametrize(("write", "state"), [(_key, "open"), (_command, "pending")])
async def test_what_nobody_knows_the_end_of_stays_however_old_it_is(
    database: Database,
    clock: FakeClock,
    client_id: str,
    write: Callable[..., Awaitable[None]],
    state: str,
) -> None:
    async with database.connection() as connection:
        await write(connection, client_id, clock() - timedelta(days=4000), state)

    pruned = await prune(database, clock())

    assert not any(pruned.values())


async def test_what_waits_in_great_number_goes_in_batches(
    database: Database, clock: FakeClock
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "insert into drift (at, psp, object_ref, field, found_by)"
            " select $1, 'stripe', 'subscription:sub_1', 'status', 'share'"
            " from generate_series(1, 2500)",
            clock() - timedelta(days=401),
        )

    pruned = await prune(database, clock())

    assert pruned["drift"] == 2500
