"""Callers who mean harm: what they send is answered in order, and nobody else pays for it."""

import json

import pytest

from billing.api.cursor import write_text
from policies.permission import Role
from tests.integration.api.conftest import Desk, Told

NOBODY = "6f1c2a54-0b3e-4b8e-9d0a-2f9f3a1f7c11"


async def send(desk: Desk, path: str, body: bytes) -> Told:
    """Send bytes as they are for JSON."""
    headers = {"Authorization": f"Bearer {desk.token}", "Content-Type": "application/json"}
    async with desk.session.post(desk.url + path, data=body, headers=headers) as answer:
        text = await answer.text()
        return Told(answer.status, answer.headers, text, json.loads(text))


async def test_a_cursor_made_of_anothers_client_tells_nothing_of_that_client(desk: Desk) -> None:
    app = await desk.token_of(Role.APP, "notes")
    await desk.add_client("demo:ann", app_id="notes")
    others = await desk.add_client("demo:bob", app_id="wiki")

    seen = [
        await desk.ask("GET", f"/clients?cursor={write_text(client_id)}", token=app)
        for client_id in (others, NOBODY)
    ]

    assert seen[0].json == seen[1].json == {"items": [], "next": None}


async def test_who_takes_the_name_of_the_erased_keeps_nobody_from_being_erased(desk: Desk) -> None:
    client_id = await desk.add_client("demo:ann")
    app = await desk.token_of(Role.APP, "notes")
    await desk.ask("POST", "/clients", {"external_id": f"erased:{client_id}"}, token=app)

    told = await desk.ask("DELETE", f"/clients/{client_id}")

    assert told.status == 200, told.text
    assert told.json["status"] == "closed"


async def test_an_erased_person_is_not_told_again_to_who_repeats_its_registration(
    desk: Desk,
) -> None:
    body = {"external_id": "demo:eve", "name": "Eve Example", "email": "eve@example.com"}
    made = await desk.ask("POST", "/clients", body, Idempotency_Key="k1")
    await desk.ask("DELETE", f"/clients/{made.json['id']}")

    async with desk.database.connection() as connection:
        kept = await connection.fetchval("select count(*) from idempotent_requests")
    again = await desk.ask("POST", "/clients", body, Idempotency_Key="k1")

    assert kept == 0
    assert again.status == 201
    assert again.json["id"] != made.json["id"]


async def test_where_an_erased_client_came_from_is_forgotten(desk: Desk) -> None:
    client_id = await desk.add_client("demo:ann")
    page = "https://notes.example.com/of?name=Ann"
    wish = {"client_id": client_id, "plan": "reader", "return_url": page}
    started = await desk.ask("POST", "/payments", wish)
    session_id = started.json["checkout_url"].rsplit("/", 1)[1]
    await desk.provider.expire_checkout(session_id)
    await desk.see(f"checkout:{session_id}")

    erased = await desk.ask("DELETE", f"/clients/{client_id}")

    assert erased.status == 200
    async with desk.database.connection() as connection:
        kept = await connection.fetchval("select return_to from checkout_intents")
    assert kept == "/"


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"]
)
@pytest.mark.parametrize("what", ["grants", "blocks"])
async def test_an_instant_at_the_ends_of_the_calendar_is_refused_and_shuts_no_client_out(
    desk: Desk, what: str, instant: str
) -> None:
    client_id = await desk.add_client()
    wish = {"app_id": "notes", "reason": "r", "from_at": instant}

    told = await desk.ask("POST", f"/clients/{client_id}/{what}", wish)
    seen = await desk.ask("GET", f"/clients/{client_id}/entitlements")

    assert told.status == 422
    assert told.json["errors"][0]["pointer"] == "/from_at"
    assert seen.status == 200


@pytest.mark.parametrize(
    "instant", ["2000-01-01T00:00:00+14:00", "8999-12-31T23:59:59.999999-14:00"]
)
async def test_the_first_and_the_last_instant_can_be_given_and_read(
    desk: Desk, instant: str
) -> None:
    client_id = await desk.add_client()
    from_at, until_at = sorted((instant, "2500-01-01T00:00:00Z"))
    wish = {"app_id": "notes", "reason": "r", "from_at": from_at, "until_at": until_at}

    told = await desk.ask("POST", f"/clients/{client_id}/grants", wish)
    seen = await desk.ask("GET", f"/clients/{client_id}/entitlements")

    assert (told.status, seen.status) == (201, 200)


@pytest.mark.parametrize(
    "mark", ["\x1b[31m", "\x9b31m", "\x85", "\u2028", "\u202e", "\u2066"], ids=ascii
)
async def test_a_reason_cannot_command_the_terminal_of_who_reads_it(desk: Desk, mark: str) -> None:
    client_id = await desk.add_client()

    told = await desk.ask(
        "POST", f"/clients/{client_id}/grants", {"app_id": "notes", "reason": f"a{mark}b"}
    )

    assert told.status == 422
    assert told.json["errors"][0]["pointer"] == "/reason"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 60_000, 400),
        (b'{"client_id":' * 4_000, 400),
        (b'{"quantity":' + b"9" * 5_000 + b"}", 400),
        (b'{"quantity":1e400}', 422),
        (b'{"quantity":NaN}', 400),
        (b'{"plan":"a","plan":"b"}', 400),
        (b'{"plan":"\\ud800"}', 400),
        (b'{"plan":"\\u0000"}', 422),
        (b'\xef\xbb\xbf{"plan":"a"}', 400),
        (b'{"plan":"\xff"}', 400),
        (b"null", 400),
    ],
)
async def test_a_body_made_to_harm_is_refused_in_words_that_tell_nothing_of_us(
    desk: Desk, body: bytes, status: int
) -> None:
    told = await send(desk, "/payments", body)

    assert told.status == status, told.text
    for inner in ("sys.", "Traceback", "Exceeds", ".py", "pydantic"):
        assert inner not in told.text


async def test_an_address_that_many_were_registered_with_is_looked_for_in_bounded_time(
    desk: Desk,
) -> None:
    for number in range(103):
        await desk.ask("POST", "/clients", {"external_id": f"m:{number}", "email": "a@example.com"})

    told = await desk.ask("GET", "/clients?email=A%40example.com")

    assert len(told.json["items"]) == 100


async def test_a_page_of_the_gateway_may_be_come_back_to(desk: Desk) -> None:
    client_id = await desk.add_client()
    wish = {"client_id": client_id, "plan": "reader"}

    told = await desk.ask(
        "POST", "/payments", wish | {"return_url": "https://pay.example.com/account?from=app"}
    )

    assert told.status == 201, told.text
