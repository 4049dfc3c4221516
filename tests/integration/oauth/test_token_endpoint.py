"""`POST /oauth/token` over a real socket: what it gives, and what it says to those it refuses."""

import asyncio

import jwt
import pytest
from aiohttp import encode_basic_auth
from jwt import PyJWKSet

from billing.storage.credentials import disable_credential
from policies.permission import SCOPES, Role
from tests.integration.oauth.conftest import Http
from tests.support.access import ISSUER, Access, Program

GRANT = {"grant_type": "client_credentials"}


def basic(program: Program) -> str:
    return encode_basic_auth(program.id, program.secret)


async def ask(
    http: Http, program: Program, form: dict[str, str] | None = None, address: str = "192.0.2.1"
) -> tuple[int, dict[str, object], dict[str, str]]:
    async with http.post(
        "/oauth/token",
        data=form or GRANT,
        headers={"X-Forwarded-For": address, "Authorization": basic(program)},
    ) as answer:
        return answer.status, await answer.json(), dict(answer.headers)


async def test_a_program_gets_a_token_that_anybody_can_verify(http: Http, access: Access) -> None:
    program = await access.add("notes")

    status, given, headers = await ask(http, program)

    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    assert given["token_type"] == "Bearer"
    assert given["expires_in"] == 900
    async with http.get("/.well-known/jwks.json") as answer:
        keys = PyJWKSet.from_dict(await answer.json())
    token = str(given["access_token"])
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt"
    claims = jwt.decode(
        token,
        keys[header["kid"]],
        algorithms=["ES256"],
        audience=ISSUER,
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["sub"] == claims["client_id"] == program.id
    assert claims["exp"] - claims["iat"] == 900
    assert claims["iat"] == int(access.clock.now.timestamp())
    assert (claims["role"], claims["app"]) == ("app", "notes")
    assert claims["scope"] == given["scope"]
    assert "payments:write" in claims["scope"].split(" ")


async def test_a_secret_may_come_in_the_body(http: Http, access: Access) -> None:
    program = await access.add()
    form = GRANT | {"client_id": program.id, "client_secret": program.secret}

    async with http.post("/oauth/token", data=form) as answer:
        assert answer.status == 200


async def test_fewer_scopes_are_given_as_asked_for_and_more_are_refused(
    http: Http, access: Access
) -> None:
    program = await access.add(scopes=frozenset({"plans:read", "clients:read"}))

    fewer = await ask(http, program, GRANT | {"scope": "plans:read"})
    more = await ask(http, program, GRANT | {"scope": "plans:read refunds:write"})

    assert fewer[1]["scope"] == "plans:read"
    assert (more[0], more[1]["error"]) == (400, "invalid_scope")


async def test_who_has_no_right_secret_hears_the_same_whatever_was_wrong(
    http: Http, access: Access
) -> None:
    program = await access.add()
    disabled = await access.add("files")
    async with access.database.transaction() as connection:
        assert await disable_credential(connection, disabled.id, access.clock.now)
    tries = [
        Program(program.id, "tollway_wrong"),
        Program(program.id, disabled.secret),
        Program("00000000-0000-4000-8000-000000000000", program.secret),
        Program("notes", program.secret),
        disabled,
    ]

    answers = [await ask(http, tried) for tried in tries]

    assert {status for status, _, _ in answers} == {401}
    assert {str(body) for _, body, _ in answers} == {str(answers[0][1])}
    assert answers[0][1]["error"] == "invalid_client"
    assert answers[0][2]["WWW-Authenticate"].startswith("Basic ")


async def test_two_secrets_are_good_while_one_takes_over(http: Http, access: Access) -> None:
    program = await access.add()
    second = Program(program.id, await access.add_secret(program.id, hours=24))

    during = [(await ask(http, each))[0] for each in (program, second)]
    access.move(hours=24)
    after = [(await ask(http, each))[0] for each in (program, second)]

    assert during == [200, 200]
    assert after == [401, 200]


async def test_never_more_than_two_secrets_are_good(http: Http, access: Access) -> None:
    program = await access.add()
    second = Program(program.id, await access.add_secret(program.id, hours=24))
    third = Program(program.id, await access.add_secret(program.id, hours=24))

    statuses = [(await ask(http, each))[0] for each in (program, second, third)]

    assert statuses == [401, 200, 200]


async def test_a_leaked_secret_can_be_ended_at_once(http: Http, access: Access) -> None:
    program = await access.add()
    second = Program(program.id, await access.add_secret(program.id))

    assert [(await ask(http, each))[0] for each in (program, second)] == [401, 200]


async def test_who_guesses_has_to_wait_and_shuts_nobody_else_out(
    http: Http, access: Access
) -> None:
    program = await access.add()
    wrong = Program(program.id, "tollway_wrong")

    guessed = [await ask(http, wrong, address="192.0.2.66") for _ in range(12)]
    elsewhere = await ask(http, program, address="192.0.2.1")
    wait_s = int(guessed[-1][2]["Retry-After"])
    access.move(seconds=wait_s)
    later = await ask(http, wrong, address="192.0.2.66")

    assert [status for status, _, _ in guessed] == [401] * 10 + [429] * 2
    assert 1 <= wait_s <= 60
    assert elsewhere[0] == 200
    assert later[0] == 401


async def test_guesses_from_everywhere_use_up_nothing_of_a_program(
    http: Http, access: Access
) -> None:
    program = await access.add()
    wrong = Program(program.id, "tollway_wrong")

    for number in range(130):
        assert (await ask(http, wrong, address=f"192.0.2.{number + 100}"))[0] == 401

    assert (await ask(http, program))[0] == 200


async def test_many_guesses_at_once_are_all_counted(http: Http, access: Access) -> None:
    program = await access.add()
    wrong = Program(program.id, "tollway_wrong")

    answers = await asyncio.gather(*(ask(http, wrong) for _ in range(40)))

    assert [status for status, _, _ in answers].count(401) == 10


async def test_an_ipv6_household_is_one_guesser(http: Http, access: Access) -> None:
    statuses = []
    for number in range(32):
        program = Program(f"00000000-0000-4000-8000-0000000000{number:02}", "tollway_wrong")
        statuses.append((await ask(http, program, address=f"2001:db8::{number + 1:x}"))[0])

    assert statuses == [401] * 30 + [429] * 2


async def test_a_program_that_asks_all_the_time_has_to_wait(http: Http, access: Access) -> None:
    program = await access.add()

    statuses = [(await ask(http, program))[0] for _ in range(122)]

    assert statuses == [200] * 120 + [429] * 2


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/oauth/token?client_secret=x", b"grant_type=client_credentials", 400, "invalid_request"),
        ("/oauth/token", b"grant_type=password", 400, "unsupported_grant_type"),
        ("/oauth/token", b"grant_type=client_credentials&a=" + b"x" * 8192, 413, "invalid_request"),
        ("/oauth/token", b"x" * 100_000, 413, "invalid_request"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    http: Http, access: Access, path: str, body: bytes, status: int, error: str
) -> None:
    program = await access.add()

    async with http.post(
        path,
        data=body,
        headers={
            "Authorization": basic(program),
            "Content-Type": "application/x-www-form-urlencoded",
        },
    ) as answer:
        assert answer.status == status
        assert (await answer.json())["error"] == error
        assert answer.headers["Cache-Control"] == "no-store"


async def test_the_metadata_says_where_everything_is(http: Http) -> None:
    async with http.get("/.well-known/oauth-authorization-server") as answer:
        metadata = await answer.json()

    assert metadata["issuer"] == ISSUER
    assert metadata["token_endpoint"] == f"{ISSUER}/oauth/token"
    assert metadata["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"
    assert set(metadata["scopes_supported"]) == SCOPES
    assert metadata["response_types_supported"] == []


async def test_the_published_keys_hold_nothing_private(http: Http) -> None:
    async with http.get("/.well-known/jwks.json") as answer:
        keys = (await answer.json())["keys"]
        kept = answer.headers["Cache-Control"]

    assert kept == "public, max-age=300"
    assert [set(key) for key in keys] == [{"kty", "crv", "x", "y", "kid", "use", "alg"}]


async def test_without_its_database_it_asks_to_come_again(http: Http, access: Access) -> None:
    program = await access.add()
    await access.database.close()

    status, body, headers = await ask(http, program)

    assert status == 503
    assert body["error"] == "temporarily_unavailable"
    assert headers["Retry-After"] == "1"


async def test_an_admins_token_names_no_app(http: Http, access: Access) -> None:
    program = await access.add("ops", Role.ADMIN)

    _, given, _ = await ask(http, program)

    claims = jwt.decode(str(given["access_token"]), options={"verify_signature": False})
    assert claims["role"] == "admin"
    assert "app" not in claims
