"""Tokens of an issuer of others' making: people are clients, and a claim may say more."""

from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from billing.errors import InvalidTokenError
from billing.model import Cause, Source
from billing.oauth.verify import ExternalIssuer
from billing.storage.client_endings import close_client, sign_out_client
from billing.storage.clients import find_external_id
from billing.storage.pool import Database
from policies.permission import SCOPES_OF, Role
from tests.support.access import Access
from tests.support.clock import FakeClock

OPERATOR = Cause(Source.ADMIN, "operator:ann")
SECRET = "s" * 64
PEOPLE = ExternalIssuer("https://id.example.com", "tollway", "HS256", SECRET)
STAFF = ExternalIssuer(
    "https://staff.example.com", "tollway", "HS256", SECRET, role_claim="role", app_claim="app"
)
NO_APPS = ExternalIssuer("https://ops.example.com", "tollway", "HS256", SECRET, role_claim="role")


@pytest.fixture
def access(database: Database, clock: FakeClock) -> Access:
    return Access(database, clock, others=(PEOPLE, STAFF, NO_APPS))


def token(
    access: Access,
    issuer: ExternalIssuer = PEOPLE,
    *,
    key: str = SECRET,
    algorithm: str = "HS256",
    kind: str = "JWT",
    **claims: Any,
) -> str:
    now_s = int(access.clock.now.timestamp())
    full = {
        "iss": issuer.issuer,
        "aud": issuer.audience,
        "sub": "ann",
        "exp": now_s + 600,
        **claims,
    }
    return jwt.encode(full, key, algorithm=algorithm, headers={"typ": kind})


async def test_a_person_is_the_client_of_that_external_id(access: Access) -> None:
    caller = await access.reader.identify(token(access))

    assert caller.role is Role.CLIENT
    assert caller.scopes == SCOPES_OF[Role.CLIENT]
    assert caller.client_id is not None
    assert caller.actor == f"client:{caller.client_id}"
    async with access.database.connection() as connection:
        assert await find_external_id(connection, caller.client_id) == "ann"
    assert (await access.reader.identify(token(access, jti="2"))).client_id == caller.client_id


async def test_what_a_person_is_called_is_not_told_to_logs(access: Access) -> None:
    caller = await access.reader.identify(token(access, sub="ann@example.com"))

    assert "ann@" not in caller.name + caller.actor


async def test_a_persons_token_may_name_fewer_scopes(access: Access) -> None:
    caller = await access.reader.identify(token(access, scope="openid payments:read"))

    assert caller.scopes == {"payments:read"}


async def test_scopes_of_others_narrow_nothing(access: Access) -> None:
    caller = await access.reader.identify(token(access, scope="openid email"))

    assert caller.scopes == SCOPES_OF[Role.CLIENT]


async def test_a_role_in_a_token_counts_only_where_the_issuer_may_give_roles(
    access: Access,
) -> None:
    people = await access.reader.identify(token(access, PEOPLE, role="admin"))
    staff = await access.reader.identify(token(access, STAFF, role="admin", scope="audit:read"))

    assert people.role is Role.CLIENT
    assert staff.role is Role.ADMIN
    assert staff.scopes == {"audit:read"}
    assert staff.actor == "external:ann"


async def test_a_role_brings_no_scope_by_itself(access: Access) -> None:
    caller = await access.reader.identify(token(access, STAFF, role="admin"))

    assert caller.scopes == frozenset()


async def test_an_apps_token_names_its_app(access: Access) -> None:
    caller = await access.reader.identify(
        token(access, STAFF, role="app", app="notes", scope="plans:read")
    )

    assert (caller.role, caller.app_id) == (Role.APP, "notes")


async def test_without_a_role_somebody_is_a_client(access: Access) -> None:
    assert (await access.reader.identify(token(access, STAFF))).role is Role.CLIENT


@pytest.mark.parametrize(
    ("issuer", "claims"),
    [
        (PEOPLE, {"aud": "other"}),
        (PEOPLE, {"aud": ["other"]}),
        (PEOPLE, {"iss": "https://evil.example.com"}),
        (PEOPLE, {"sub": ""}),
        (PEOPLE, {"sub": "a" * 201}),
        (PEOPLE, {"sub": "a\nb"}),
        (PEOPLE, {"exp": 0}),
        (PEOPLE, {"nbf": 10**10}),
        (PEOPLE, {"key": "x" * 64}),
        (PEOPLE, {"algorithm": "HS512"}),
        (PEOPLE, {"kind": "logout+jwt"}),
        (PEOPLE, {"kind": "secevent+jwt"}),
        (STAFF, {"role": "root"}),
        (STAFF, {"role": ["admin"]}),
        (STAFF, {"role": "app"}),
        (STAFF, {"role": "app", "app": 5}),
        (NO_APPS, {"role": "app", "app": "notes"}),
    ],
)
async def test_a_token_that_is_not_right_is_refused(
    access: Access, issuer: ExternalIssuer, claims: dict[str, Any]
) -> None:
    with pytest.raises(InvalidTokenError):
        await access.reader.identify(token(access, issuer, **claims))


async def test_an_issuer_cannot_speak_for_us(access: Access) -> None:
    key = await access.keys.get_signer()
    forged = token(access, PEOPLE, iss=access.issuer.name, role="admin", kind="at+jwt")
    signed_by_us = jwt.encode(
        jwt.decode(token(access, STAFF, role="admin"), options={"verify_signature": False}),
        key.private,
        algorithm="ES256",
        headers={"kid": key.kid},
    )

    for text in (forged, signed_by_us):
        with pytest.raises(InvalidTokenError):
            await access.reader.identify(text)


async def test_a_client_signed_out_everywhere_needs_a_newer_token(access: Access) -> None:
    # Who signs out goes by Postgres's clock.
    access.clock.now = datetime.now(UTC)
    now_s = int(access.clock.now.timestamp())
    text = token(access, iat=now_s - 5)
    caller = await access.reader.identify(text)
    assert caller.client_id is not None
    async with access.database.transaction() as connection:
        await sign_out_client(connection, caller.client_id, OPERATOR, access.clock.now)

    for old in (token(access, iat=now_s - 1, jti="another"), token(access, jti="of no time")):
        with pytest.raises(InvalidTokenError):
            await access.reader.identify(old)
    access.move(seconds=10)
    with pytest.raises(InvalidTokenError):
        await access.reader.identify(text)
    newer = await access.reader.identify(token(access, iat=now_s + 5, jti="newer"))
    assert newer.client_id == caller.client_id


async def test_a_closed_clients_token_ends_within_ten_seconds(access: Access) -> None:
    text = token(access)
    caller = await access.reader.identify(text)
    assert caller.client_id is not None
    async with access.database.transaction() as connection:
        await close_client(connection, caller.client_id, OPERATOR, access.clock.now)

    with pytest.raises(InvalidTokenError):
        await access.reader.identify(token(access, jti="another"))
    access.move(seconds=10)
    with pytest.raises(InvalidTokenError):
        await access.reader.identify(text)
