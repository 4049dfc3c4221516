"""The Idempotency-Key: a request that is sent again is answered again, and carried out once."""

import asyncio

import pytest

from billing.crypto.keyring import KeyRing
from billing.storage.pool import Database
from billing.storage.retention import prune
from billing.storage.sealed_columns import COLUMNS, reseal
from policies.permission import SCOPES, Role
from tests.integration.api.conftest import Desk
from tests.support.keys import DATA_KEY, OTHER_KEY


async def grants_of(desk: Desk, client_id: str) -> int:
    told = await desk.ask("GET", f"/clients/{client_id}/grants")
    return len(told.json["items"])


async def test_a_repeat_is_answered_like_the_first(desk: Desk) -> None:
    client_id = await desk.add_client()
    wish = {"app_id": "notes", "reason": "a gift"}

    first = await desk.ask("POST", f"/clients/{client_id}/grants", wish, Idempotency_Key="k1")
    again = await desk.ask("POST", f"/clients/{client_id}/grants", wish, Idempotency_Key="k1")

    assert (first.status, again.status) == (201, 201)
    assert again.text == first.text
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await grants_of(desk, client_id) == 1


async def test_without_a_key_each_request_is_a_wish_of_its_own(desk: Desk) -> None:
    client_id = await desk.add_client()

    for _ in range(2):
        await desk.ask("POST", f"/clients/{client_id}/grants", {"app_id": "notes", "reason": "r"})

    assert await grants_of(desk, client_id) == 2


@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("grants", {"app_id": "notes", "reason": "another"}),
        ("blocks", {"app_id": "notes", "reason": "a gift"}),
    ],
)
async def test_a_key_of_another_request_is_refused(
    desk: Desk, path: str, wish: dict[str, str]
) -> None:
    client_id = await desk.add_client()
    first = {"app_id": "notes", "reason": "a gift"}
    await desk.ask("POST", f"/clients/{client_id}/grants", first, Idempotency_Key="k1")

    told = await desk.ask("POST", f"/clients/{client_id}/{path}", wish, Idempotency_Key="k1")

    assert told.status == 422
    assert told.json["type"].endswith("/key-reused")


async def test_the_order_of_the_fields_does_not_make_it_another_request(desk: Desk) -> None:
    client_id = await desk.add_client()
    path = f"/clients/{client_id}/grants"
    await desk.ask("POST", path, {"app_id": "notes", "reason": "r"}, Idempotency_Key="k1")

    told = await desk.ask("POST", path, {"reason": "r", "app_id": "notes"}, Idempotency_Key="k1")

    assert told.headers["Idempotent-Replayed"] == "true"


async def test_two_callers_keys_never_meet(desk: Desk) -> None:
    client_id = await desk.add_client()
    other = await desk.token_of(Role.ADMIN, "another", SCOPES)
    wish = {"app_id": "notes", "reason": "r"}

    for token in (desk.token, other):
        await desk.ask(
            "POST", f"/clients/{client_id}/grants", wish, token=token, Idempotency_Key="k1"
        )

    assert await grants_of(desk, client_id) == 2


async def test_of_many_at_once_one_is_carried_out(desk: Desk) -> None:
    client_id = await desk.add_client()
    wish = {"app_id": "notes", "reason": "r"}

    told = await asyncio.gather(
        *(
            desk.ask("POST", f"/clients/{client_id}/grants", wish, Idempotency_Key="k1")
            for _ in range(8)
        )
    )

    assert {answer.status for answer in told} <= {201, 409}
    assert len({answer.text for answer in told if answer.status == 201}) == 1
    for answer in told:
        if answer.status == 409:
            assert answer.json["type"].endswith("/request-under-way")
            assert int(answer.headers["Retry-After"]) > 0
    assert await grants_of(desk, client_id) == 1


async def test_a_request_that_came_to_nothing_may_be_made_again(desk: Desk) -> None:
    client_id = await desk.add_client()
    wish = {"client_id": client_id, "plan": "reader"}
    desk.provider.is_down = True
    lost = await desk.ask("POST", "/payments", wish, Idempotency_Key="k1")
    desk.provider.is_down = False

    again = await desk.ask("POST", "/payments", wish, Idempotency_Key="k1")

    assert (lost.status, again.status) == (503, 201)
    assert "Idempotent-Replayed" not in again.headers


async def test_a_request_whose_process_died_may_be_made_again_after_a_while(desk: Desk) -> None:
    client_id = await desk.add_client()
    path, wish = f"/clients/{client_id}/grants", {"app_id": "notes", "reason": "r"}
    await desk.ask("POST", path, wish, Idempotency_Key="k1")
    async with desk.database.transaction() as connection:
        await connection.execute("update idempotent_requests set answer_enc = null")

    early = await desk.ask("POST", path, wish, Idempotency_Key="k1")
    desk.clock.move(seconds=61)
    late = await desk.ask("POST", path, wish, Idempotency_Key="k1")

    assert (early.status, late.status) == (409, 201)


@pytest.mark.parametrize("kind", ["grants", "blocks"])
async def test_what_a_dead_process_gave_is_found_and_not_given_again(desk: Desk, kind: str) -> None:
    client_id = await desk.add_client()
    path, wish = f"/clients/{client_id}/{kind}", {"app_id": "notes", "reason": "r"}
    first = await desk.ask("POST", path, wish, Idempotency_Key="k1")
    async with desk.database.transaction() as connection:
        await connection.execute("update idempotent_requests set answer_enc = null")
    desk.clock.move(seconds=61)

    again = await desk.ask("POST", path, wish, Idempotency_Key="k1")

    assert again.status == 201
    assert again.json == first.json
    assert len((await desk.ask("GET", path)).json["items"]) == 1
    async with desk.database.connection() as connection:
        told = await connection.fetchval(
            "select count(*) from audit where action in ('grant.given', 'block.laid')"
        )
    assert told == 1


@pytest.mark.parametrize("kind", ["grants", "blocks"])
async def test_a_key_of_long_ago_gives_nothing_else_away(desk: Desk, kind: str) -> None:
    client_id = await desk.add_client()
    path, wish = f"/clients/{client_id}/{kind}", {"app_id": "notes", "reason": "r"}
    await desk.ask("POST", path, wish, Idempotency_Key="k1")
    async with desk.database.transaction() as connection:
        await connection.execute("delete from idempotent_requests")

    told = await desk.ask("POST", path, wish | {"reason": "another"}, Idempotency_Key="k1")

    assert told.status == 422
    assert told.json["type"].endswith("/key-reused")


async def test_after_a_day_a_key_is_forgotten(desk: Desk) -> None:
    client_id = await desk.add_client()
    path, wish = f"/clients/{client_id}/blocks", {"reason": "r"}
    first = await desk.ask("POST", path, wish, Idempotency_Key="k1")
    desk.clock.move(hours=24)
    token = await desk.token_of(Role.ADMIN, "later", SCOPES)
    await prune(desk.database, desk.clock())

    again = await desk.ask("POST", path, wish, token=token, Idempotency_Key="k1")

    assert again.json["id"] != first.json["id"]


async def test_no_persons_name_is_kept_in_clear(desk: Desk) -> None:
    body = {"external_id": "demo:eve", "name": "Eve Example", "email": "eve@example.com"}

    told = await desk.ask("POST", "/clients", body, Idempotency_Key="k1")

    assert told.status == 201
    async with desk.database.connection() as connection:
        kept = await connection.fetchval("select answer_enc from idempotent_requests")
    assert kept
    assert b"Eve" not in kept
    assert b"example.com" not in kept


async def test_a_key_that_can_be_doubted_is_refused(desk: Desk) -> None:
    told = await desk.ask("POST", "/clients", {"external_id": "a"}, Idempotency_Key="a b")

    assert told.status == 400


async def test_a_kept_answer_gets_the_newest_key_like_all_that_is_sealed(
    desk: Desk, database_url: str
) -> None:
    await desk.ask("POST", "/clients", {"external_id": "demo:eve"}, Idempotency_Key="k1")
    column = next(c for c in COLUMNS if c.table == "idempotent_requests")
    newer = await Database.open(database_url, size=1, ring=KeyRing.of([OTHER_KEY, DATA_KEY]))

    async with newer.transaction() as connection:
        batch = await reseal(connection, column, None, 10)
    await newer.close()

    assert (batch.sealed, batch.failed) == (1, 0)
