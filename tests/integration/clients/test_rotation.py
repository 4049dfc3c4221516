"""Keys change beside whoever serves: nothing is lost, and all is found at every point of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from billing.crypto.keyring import KeyRing
from billing.crypto.rotation import Rotated, count_to_rotate, rotate
from billing.model import Cause, Source
from billing.storage.client_records import create_client, find_by_email, get_client, update_client
from billing.storage.pool import Database
from billing.storage.sealed_columns import COLUMNS, count_by_key, reseal
from tests.support.keys import DATA_KEY, OTHER_KEY

CAUSE = Cause(Source.ADMIN, "operator:test")
_CLIENTS = 5


@pytest.fixture
async def rotated(database_url: str, database: Database) -> AsyncIterator[Database]:
    """Return the same database, opened with a newer key before the old one."""
    opened = await Database.open(database_url, size=4, ring=KeyRing.of([OTHER_KEY, DATA_KEY]))
    yield opened
    await opened.close()


@pytest.fixture
async def ids(database: Database) -> list[str]:
    """Return the ids of clients that the old key sealed, and leave an event's body in clear."""
    found = []
    async with database.transaction() as connection:
        for number in range(_CLIENTS):
            client = await create_client(
                connection, f"c{number}", CAUSE, name=f"N{number}", email=f"c{number}@example.com"
            )
            found.append(client.id)
        await connection.execute(
            "insert into psp_inbox (psp, external_id, type, livemode, occurred_at, received_at,"
            " body, headers, next_attempt_at)"
            " values ('stripe', 'evt_1', 't', false, now(), now(), '{\"a\": 1}', '{}', now()),"
            " ('stripe', 'evt_2', 't', false, now(), now(), '', '{}', now())"
        )
    return found


async def test_everything_gets_the_newest_key_and_opens(
    rotated: Database, ids: list[str], database_url: str
) -> None:
    seen: list[int] = []

    done = await rotate(rotated, CAUSE, on_progress=seen.append)

    assert done == Rotated(sealed=2 * _CLIENTS + 1, failed=0)
    assert sum(seen) == done.sealed
    newest = await Database.open(database_url, size=2, ring=KeyRing.of([OTHER_KEY]))
    try:
        async with newest.connection() as connection:
            found = await find_by_email(connection, "C3@example.com")
            body = await connection.fetchval("select body from psp_inbox where body <> ''")
    finally:
        await newest.close()
    assert [client.id for client in found] == [ids[3]]
    assert newest.ring.open(body, "psp_inbox.body.stripe:evt_1") == b'{"a": 1}'


async def test_done_once_there_is_nothing_to_do(rotated: Database, ids: list[str]) -> None:
    await rotate(rotated, CAUSE)

    assert await count_to_rotate(rotated) == 0
    assert await rotate(rotated, CAUSE) == Rotated(0, 0)


async def test_half_way_every_client_is_read_and_found_by_address(
    rotated: Database, ids: list[str]
) -> None:
    for column in COLUMNS:
        async with rotated.transaction() as connection:
            await reseal(connection, column, None, 2)

    async with rotated.connection() as connection:
        for number, client_id in enumerate(ids):
            client = await get_client(connection, client_id)
            assert client.name == f"N{number}"
            assert await find_by_email(connection, f"c{number}@example.com") == [client]
        counted = await count_by_key(connection, COLUMNS[0])
    assert counted == {"other": 2, "test": _CLIENTS - 2}


async def test_it_goes_on_after_it_was_stopped(rotated: Database, ids: list[str]) -> None:
    async with rotated.transaction() as connection:
        await reseal(connection, COLUMNS[0], None, 2)

    done = await rotate(rotated, CAUSE)

    assert done == Rotated(sealed=2 * _CLIENTS + 1 - 2, failed=0)


@pytest.fixture
async def prepared(database_url: str, database: Database) -> AsyncIterator[Database]:
    """Return the same database, opened with the newer key behind the old one."""
    opened = await Database.open(database_url, size=4, ring=KeyRing.of([DATA_KEY, OTHER_KEY]))
    yield opened
    await opened.close()


async def test_changes_of_a_process_that_seals_with_the_old_key_are_not_lost(
    rotated: Database, prepared: Database, ids: list[str]
) -> None:
    async def change(number: int) -> None:
        async with prepared.transaction() as connection:
            await update_client(connection, ids[number], CAUSE, {"name": f"M{number}"})

    await asyncio.gather(rotate(rotated, CAUSE), *(change(n) for n in range(_CLIENTS)))
    await rotate(rotated, CAUSE)

    async with rotated.connection() as connection:
        names = [(await get_client(connection, client_id)).name for client_id in ids]
    assert names == [f"M{number}" for number in range(_CLIENTS)]


async def test_what_does_not_open_is_counted_and_left_as_it_is(
    rotated: Database, ids: list[str]
) -> None:
    async with rotated.connection() as connection:
        await connection.execute(
            "update clients set name_enc = set_byte(name_enc, 30, 1 + get_byte(name_enc, 30) % 200)"
            " where id = $1::text::uuid",
            ids[0],
        )

    done = await rotate(rotated, CAUSE)

    assert done == Rotated(sealed=2 * _CLIENTS, failed=1)
    async with rotated.connection() as connection:
        assert await count_by_key(connection, COLUMNS[0]) == {"other": _CLIENTS - 1, "test": 1}
