"""Clients' personal data on a real database: sealed, found again, and erased."""

import asyncio

import asyncpg
import pytest

from billing.errors import (
    ClientExistsError,
    DamagedError,
    InvalidClientError,
    NoSuchClientError,
    NotPossibleError,
)
from billing.model import Cause, Source
from billing.storage.audit import list_audit
from billing.storage.client_endings import close_client, erase_client
from billing.storage.client_records import (
    Client,
    create_client,
    find_by_email,
    find_by_external_id,
    get_client,
    list_clients,
    update_client,
)
from billing.storage.clients import admit_client, lock_client
from billing.storage.pool import Connection, Database
from tests.support.clock import FakeClock
from tests.support.keys import RING

CAUSE = Cause(Source.ADMIN, "operator:test")
NOBODY = "6a0f2c0e-0000-4000-8000-000000000000"


async def new_client(
    database: Database, external_id: str = "idp:ann", email: str | None = "Ann@Example.com"
) -> Client:
    async with database.transaction() as connection:
        return await create_client(
            connection, external_id, CAUSE, name="Ann Arbor", email=email, app_id="notes"
        )


async def everything(database_url: str) -> str:
    """Return all that the database holds of clients and of the audit, as text and as bytes."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("select * from clients")
        rows += await connection.fetch("select * from audit")
        rows += await connection.fetch("select body from psp_inbox")
        rows += await connection.fetch("select raw_enc from subscriptions")
    finally:
        await connection.close()
    return "\n".join(str(dict(row)) for row in rows)


async def test_a_client_is_read_as_it_was_written(database: Database) -> None:
    made = await new_client(database)

    async with database.connection() as connection:
        assert await get_client(connection, made.id) == made
        assert await find_by_external_id(connection, "idp:ann") == made
    assert (made.name, made.email, made.app_id) == ("Ann Arbor", "Ann@Example.com", "notes")
    assert made.status == "active"


async def test_the_database_shows_no_name_and_no_address(
    database: Database, database_url: str
) -> None:
    made = await new_client(database)
    async with database.transaction() as connection:
        await update_client(connection, made.id, CAUSE, {"email": "ann@elsewhere.org"})

    held = await everything(database_url)

    for personal in ("Arbor", "xample", "elsewhere"):
        assert personal not in held
    assert "Arbor" not in repr(made)
    assert "xample" not in repr(made)


@pytest.mark.parametrize("spelling", ["ann@example.com", " ANN@EXAMPLE.COM"])
async def test_a_client_is_found_by_any_spelling_of_the_address(
    database: Database, spelling: str
) -> None:
    made = await new_client(database)
    await new_client(database, "idp:bea", "bea@example.com")

    async with database.connection() as connection:
        assert await find_by_email(connection, spelling) == [made]


async def test_a_name_moved_to_another_client_does_not_open(database: Database) -> None:
    made, other = await new_client(database), await new_client(database, "idp:bea", None)
    async with database.connection() as connection:
        await connection.execute(
            "update clients c set name_enc = o.name_enc from clients o"
            " where c.id = $1::text::uuid and o.id = $2::text::uuid",
            made.id,
            other.id,
        )

        with pytest.raises(DamagedError):
            await get_client(connection, made.id)


async def test_a_second_client_of_the_same_external_id_is_refused(database: Database) -> None:
    await new_client(database)

    with pytest.raises(ClientExistsError):
        await new_client(database)


async def test_pages_hold_every_client_once_the_newest_first(database: Database) -> None:
    made = [await new_client(database, f"idp:{number}", None) for number in range(5)]
    async with database.transaction() as connection:
        await create_client(connection, "idp:elsewhere", CAUSE, app_id="wiki")
    found: list[str] = []
    after: str | None = None

    while True:
        async with database.connection() as connection:
            page = await list_clients(connection, limit=2, after=after, app_id="notes")
        found += [client.id for client in page.clients]
        after = page.after
        if after is None:
            break

    assert found == [client.id for client in reversed(made)]


async def test_what_is_not_named_in_a_change_stays(database: Database) -> None:
    made = await new_client(database)

    async with database.transaction() as connection:
        changed = await update_client(connection, made.id, CAUSE, {"name": None})

    assert (changed.name, changed.email) == (None, "Ann@Example.com")


async def test_only_name_and_address_can_be_changed(database: Database) -> None:
    made = await new_client(database)

    with pytest.raises(InvalidClientError):
        async with database.transaction() as connection:
            await update_client(connection, made.id, CAUSE, {"status": "active"})


@pytest.mark.parametrize("client_id", [NOBODY, "nonsense"])
async def test_nobody_is_not_found(database: Database, clock: FakeClock, client_id: str) -> None:
    async with database.connection() as connection:
        with pytest.raises(NoSuchClientError):
            await get_client(connection, client_id)
        with pytest.raises(NoSuchClientError):
            await erase_client(connection, client_id, CAUSE, clock())


async def _write_subscription(
    connection: Connection, client_id: str, clock: FakeClock, status: str
) -> None:
    await connection.execute(
        "insert into subscriptions (client_id, psp, livemode, psp_sub_id, raw_status, status,"
        " started_at, observed_seq, observed_at, as_of, source, raw_enc) values"
        " ($1::text::uuid, 'stripe', false, 'sub_1', '', $4, $2, 1, $2, $2, 'webhook', $3)",
        client_id,
        clock(),
        RING.seal(b"ann@example.com", "subscriptions.raw_enc.stripe:sub_1"),
        status,
    )


async def until_somebody_waits(database: Database) -> None:
    """Return once a statement of this database waits for a lock."""
    async with asyncio.timeout(10.0), database.connection() as connection:
        asked = (
            "select exists (select from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock')"
        )
        while not await connection.fetchval(asked):
            pass


async def _sell(
    database: Database, client_id: str, clock: FakeClock, status: str = "ended"
) -> None:
    """Write what a subscription, its payment and an event of it leave behind."""
    async with database.connection() as connection:
        await _write_subscription(connection, client_id, clock, status)
        await connection.execute(
            "insert into payments (client_id, psp, livemode, psp_payment_id, kind, amount_minor,"
            " currency, status, created_at, observed_at) values"
            " ($1::text::uuid, 'stripe', false, 'in_1', 'invoice', 500, 'eur', 'paid', $2, $2)",
            client_id,
            clock(),
        )
        for number, ref in enumerate(("subscription:sub_1", "payment:in_1", "subscription:sub_2")):
            await connection.execute(
                "insert into psp_inbox (psp, external_id, type, object_ref, livemode, occurred_at,"
                " received_at, body, headers, next_attempt_at)"
                " values ('stripe', $1, 't', $2, false, $3, $3, 'ann@example.com', '{}', $3)",
                f"evt_{number}",
                ref,
                clock(),
            )


async def test_an_erased_client_leaves_money_and_no_person(
    database: Database, database_url: str, clock: FakeClock
) -> None:
    made = await new_client(database)
    await _sell(database, made.id, clock)

    async with database.transaction() as connection:
        erased = await erase_client(connection, made.id, CAUSE, clock())

    held = await everything(database_url)
    assert "idp:ann" not in held
    async with database.connection() as connection:
        bodies = await connection.fetch("select object_ref from psp_inbox where body <> ''")
        assert [row["object_ref"] for row in bodies] == ["subscription:sub_2"]
        assert await connection.fetchval("select raw_enc from subscriptions") is None
        assert await connection.fetchval("select amount_minor from payments") == 500
        actions = [row.action for row in await list_audit(connection, limit=10)]
        assert await find_by_email(connection, "ann@example.com") == []
    assert actions == ["client.erased", "client.created"]
    assert (erased.name, erased.email, erased.status) == (None, None, "closed")


@pytest.mark.parametrize(
    "status", ["trialing", "active", "canceling", "past_due", "unpaid", "paused", "pending"]
)
async def test_a_client_who_would_pay_on_is_not_erased(
    database: Database, clock: FakeClock, status: str
) -> None:
    made = await new_client(database)
    await _sell(database, made.id, clock, status)

    with pytest.raises(NotPossibleError, match="live subscription"):
        async with database.transaction() as connection:
            await erase_client(connection, made.id, CAUSE, clock())

    async with database.connection() as connection:
        assert await get_client(connection, made.id) == made


async def test_a_subscription_that_is_being_written_down_keeps_its_client(
    database: Database, clock: FakeClock
) -> None:
    made = await new_client(database)

    async def erase() -> None:
        async with database.transaction() as connection:
            await erase_client(connection, made.id, CAUSE, clock())

    async with database.transaction() as applying:
        await lock_client(applying, made.id)
        erasing = asyncio.create_task(erase())
        await until_somebody_waits(database)
        await _write_subscription(applying, made.id, clock, "active")

    with pytest.raises(NotPossibleError):
        await erasing


async def test_who_comes_again_after_being_erased_is_somebody_new(
    database: Database, clock: FakeClock
) -> None:
    made = await new_client(database)
    async with database.transaction() as connection:
        await erase_client(connection, made.id, CAUSE, clock())

    async with database.connection() as connection:
        again = await admit_client(connection, "idp:ann")

    assert again is not None
    assert again.client_id != made.id


async def test_closing_and_erasing_twice_is_done_and_told_once(
    database: Database, clock: FakeClock
) -> None:
    made = await new_client(database)
    async with database.transaction() as connection:
        closed = await close_client(connection, made.id, CAUSE, clock())
    clock.move(seconds=5)

    async with database.transaction() as connection:
        again = await close_client(connection, made.id, CAUSE, clock())
        for _ in range(2):
            erased = await erase_client(connection, made.id, CAUSE, clock())
        told = await list_audit(connection, client_id=made.id, limit=10)

    assert again == closed
    assert erased.closed_at == closed.closed_at
    assert erased.erased_at == clock()
    assert [row.action for row in told] == ["client.erased", "client.closed", "client.created"]


async def test_an_erased_client_cannot_be_given_a_name_again(
    database: Database, clock: FakeClock
) -> None:
    made = await new_client(database)
    async with database.transaction() as connection:
        await erase_client(connection, made.id, CAUSE, clock())

    with pytest.raises(NoSuchClientError):
        async with database.transaction() as connection:
            await update_client(connection, made.id, CAUSE, {"name": "Ann"})
