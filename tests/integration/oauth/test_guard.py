"""What stands before every call: who may pass, what the others hear, and what is written down."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from multidict import CIMultiDictProxy

from billing.errors import InvalidTokenError, NotYoursError, UnavailableError
from billing.oauth.claims import OPERATOR, Terms
from billing.storage.clients import get_or_create_client
from billing.storage.credentials import disable_credential
from policies.permission import SCOPES, SCOPES_OF, Role
from tests.integration.oauth.conftest import Http
from tests.support.access import Access

STRANGER = "00000000-0000-4000-8000-000000000000"


async def client_of(access: Access, app_id: str | None, name: str = "ann") -> str:
    """Return a client who has had a grant of the app, if any."""
    async with access.database.transaction() as connection:
        client_id = await get_or_create_client(connection, name)
        if app_id is not None:
            await connection.execute(
                "insert into grants (client_id, app_id, feature, value, source, source_id,"
                " from_at, revoked_at, actor)"
                " values ($1::text::uuid, $2, 'access', 'true', 'item', $3, $4, $4, 'test')",
                client_id,
                app_id,
                f"{name} {app_id}",
                access.clock.now,
            )
    return client_id


@dataclass
class Shown:
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str


async def show(http: Http, client_id: str, *authorizations: str) -> Shown:
    headers = [("Authorization", value) for value in authorizations]
    async with http.get(f"/clients/{client_id}", headers=headers) as answer:
        return Shown(answer.status, answer.headers, await answer.text())


async def own_token(access: Access, role: Role, **terms: str) -> str:
    """Return a token as an operator makes one."""
    given = await access.issuer.sign(
        Terms(
            subject="operator:root",
            credential_id=OPERATOR,
            name="operator:root",
            role=role,
            app_id=terms.get("app_id"),
            client_id=terms.get("client_id"),
            scopes=SCOPES_OF[role],
            lives=timedelta(hours=1),
        )
    )
    return given.text


async def test_an_app_sees_a_client_of_its_own(http: Http, access: Access) -> None:
    token = await access.token(await access.add("notes"))

    answer = await show(http, await client_of(access, "notes"), f"Bearer {token}")

    assert answer.status == 200
    assert await access.denials() == []


@pytest.mark.parametrize("app_id", [None, "files"])
async def test_a_client_of_others_is_for_an_app_as_one_who_is_not_there(
    http: Http, access: Access, app_id: str | None
) -> None:
    token = await access.token(await access.add("notes"))
    client_id = await client_of(access, app_id)

    theirs = await show(http, client_id, f"Bearer {token}")
    nobody = await show(http, STRANGER, f"Bearer {token}")
    nonsense = await show(http, "nonsense", f"Bearer {token}")

    assert theirs.status == nobody.status == nonsense.status == 404
    assert theirs.text == nobody.text == nonsense.text
    assert "WWW-Authenticate" not in theirs.headers


async def test_a_denial_is_written_down_with_who_asked_for_what(http: Http, access: Access) -> None:
    program = await access.add("notes")
    token = await access.token(program)
    client_id = await client_of(access, "files")

    await show(http, client_id, f"Bearer {token}")
    await show(http, "nonsense", f"Bearer {token}")

    first, second = await access.denials()
    assert first["actor"] == f"credential:{program.id}"
    assert first["client_id"] == client_id
    assert first["after"]["action"] == "clients:read"
    assert first["after"]["reason"] == "other_client"
    assert first["cause_request_id"] == "r1"
    assert second["client_id"] is None
    assert token not in str(first)
    assert token.split(".")[2] not in str(first)


async def test_a_missing_scope_is_told(http: Http, access: Access) -> None:
    token = await access.token(await access.add("notes"), frozenset({"plans:read"}))

    answer = await show(http, await client_of(access, "notes"), f"Bearer {token}")

    assert answer.status == 403
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="tollway", error="insufficient_scope", scope="clients:read"'
    )
    assert (await access.denials())[0]["after"]["reason"] == "scope"


@pytest.mark.parametrize(
    ("authorizations", "challenge"),
    [
        ((), 'Bearer realm="tollway"'),
        (("Basic YTpi",), 'Bearer realm="tollway"'),
        (("Bearer",), 'Bearer realm="tollway"'),
        (("Bearer ",), 'Bearer realm="tollway"'),
        (("Bearer x",), 'Bearer realm="tollway", error="invalid_token"'),
        (("Bearer x", "Bearer y"), 'Bearer realm="tollway", error="invalid_token"'),
    ],
)
async def test_without_a_good_token_one_is_asked_for(
    http: Http, authorizations: tuple[str, ...], challenge: str
) -> None:
    answer = await show(http, STRANGER, *authorizations)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == challenge


async def test_a_token_in_the_url_is_none(http: Http, access: Access) -> None:
    token = await access.token(await access.add("ops", Role.ADMIN))

    async with http.get(f"/clients/{STRANGER}?access_token={token}") as answer:
        assert answer.status == 401


async def test_denials_to_nobody_known_are_one_row_a_minute(http: Http, access: Access) -> None:
    for number in range(30):
        await show(http, STRANGER, *(["Bearer x"] if number % 3 == 0 else []))
    assert await access.denials() == []

    access.move(minutes=1)
    await show(http, STRANGER)

    [row] = await access.denials()
    assert row["actor"] == "anonymous"
    assert row["after"]["counts"] == {
        "no_token GET /clients/{id}": 21,
        "invalid_token GET /clients/{id}": 10,
    }


async def test_what_is_counted_is_written_at_the_end(http: Http, access: Access) -> None:
    await show(http, STRANGER)

    await access.guard.write_tally(whole=True)
    await access.guard.write_tally(whole=True)

    assert len(await access.denials()) == 1


async def test_what_could_not_be_written_is_counted_on(http: Http, access: Access) -> None:
    await show(http, STRANGER)
    await access.database.close()
    access.move(minutes=1)

    answer = await show(http, STRANGER)
    again = await show(http, STRANGER)

    assert answer.status == again.status == 401
    assert access.guard._anonymous._counts == {"no_token GET /clients/{id}": 3}
    assert access.guard._anonymous.take_due(access.clock.now) is None


async def test_a_disabled_credentials_tokens_end_within_ten_seconds(
    http: Http, access: Access
) -> None:
    program = await access.add("ops", Role.ADMIN)
    token = await access.token(program)
    client_id = await client_of(access, None)
    before = await show(http, client_id, f"Bearer {token}")

    async with access.database.transaction() as connection:
        assert await disable_credential(connection, program.id, access.clock.now)
    access.move(seconds=10)
    after = await show(http, client_id, f"Bearer {token}")

    assert (before.status, after.status) == (200, 401)


async def test_a_client_sees_itself_and_nobody_else(http: Http, access: Access) -> None:
    ann = await client_of(access, "notes", "ann")
    bob = await client_of(access, "notes", "bob")
    token = await own_token(access, Role.CLIENT, client_id=ann)

    statuses = [(await show(http, each, f"Bearer {token}")).status for each in (ann, bob)]

    assert statuses == [200, 404]
    assert (await access.denials())[0]["actor"] == "operator:root"


async def test_a_client_who_is_not_there_has_no_token(access: Access) -> None:
    token = await own_token(access, Role.CLIENT, client_id=STRANGER)

    with pytest.raises(InvalidTokenError):
        await access.reader.identify(token)


async def test_a_plan_of_another_app_is_hidden(access: Access) -> None:
    caller = await access.reader.identify(await access.token(await access.add("notes")))

    await access.guard.permit(caller, "plans:read", app_id="notes")
    with pytest.raises(NotYoursError):
        await access.guard.permit(caller, "plans:read", app_id="files")


async def test_a_client_who_registered_with_the_app_is_its_own(access: Access) -> None:
    caller = await access.reader.identify(await access.token(await access.add("notes")))
    client_id = await client_of(access, None)
    async with access.database.transaction() as connection:
        await connection.execute("update clients set app_id = 'notes'")

    await access.guard.permit(caller, "clients:read", client_id=client_id)


async def test_two_tokens_are_none_though_each_is_good(http: Http, access: Access) -> None:
    token = await access.token(await access.add("ops", Role.ADMIN))
    client_id = await client_of(access, None)

    once = await show(http, client_id, f"Bearer {token}")
    twice = await show(http, client_id, f"Bearer {token}", f"Bearer {token}")

    assert (once.status, twice.status) == (200, 401)


async def test_a_checkout_of_the_apps_plan_makes_a_client_its_own(access: Access) -> None:
    caller = await access.reader.identify(await access.token(await access.add("notes")))
    client_id = await client_of(access, None)
    async with access.database.transaction() as connection:
        await connection.execute(
            "insert into plans values ('team', 1, 'Team', '', 500, 'eur', 'month', 0)"
        )
        await connection.execute(
            "insert into plan_features values ('team', 1, 'notes', 'access', 'true')"
        )
        await connection.execute(
            "insert into checkout_intents (client_id, plan, version, psp, livemode,"
            " idempotency_key, state, return_host, return_to, created_at)"
            " values ($1::text::uuid, 'team', 1, 'x', false, 'k', 'open', 'h', '/', now())",
            client_id,
        )

    await access.guard.permit(caller, "clients:read", client_id=client_id)


async def test_while_it_cannot_be_told_it_is_neither_yes_nor_no(access: Access) -> None:
    app = await access.reader.identify(await access.token(await access.add("notes")))
    token = await access.token(await access.add("ops", Role.ADMIN))
    await access.database.close()

    with pytest.raises(UnavailableError):
        await access.guard.permit(app, "clients:read", client_id=STRANGER)
    with pytest.raises(UnavailableError):
        await access.reader.identify(token)


async def test_a_token_lives_a_day_at_most(access: Access) -> None:
    terms = Terms(
        subject="operator:root",
        credential_id=OPERATOR,
        name="operator:root",
        role=Role.ADMIN,
        app_id=None,
        client_id=None,
        scopes=SCOPES,
        lives=timedelta(days=1, seconds=1),
    )

    with pytest.raises(ValueError, match="a day at most"):
        await access.issuer.sign(terms)


async def test_who_is_denied_again_and_again_cannot_fill_the_audit(
    http: Http, access: Access
) -> None:
    token = await access.token(await access.add("notes"))
    other = await access.token(await access.add("files"))
    for _ in range(70):
        await show(http, STRANGER, f"Bearer {token}")

    await access.guard.write_tally(whole=True)
    await show(http, STRANGER, f"Bearer {other}")

    denials = await access.denials()
    assert len(denials) == 60 + 1 + 1
    assert denials[60]["actor"] == "several"
    (counted,) = denials[60]["after"]["counts"].items()
    assert counted == (f"{denials[0]['actor']} clients:read other_client", 10)
    assert denials[61]["actor"] not in {denials[0]["actor"], "several"}
