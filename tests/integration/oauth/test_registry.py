"""Credentials as operators keep them: what cannot be is said, and every change is audited."""

import asyncio
from datetime import timedelta

import pytest

from billing.errors import CredentialError
from billing.model import Cause, Source
from billing.oauth.form import Refused, TokenRequest
from billing.oauth.issuing import Token
from billing.oauth.registry import Registry
from policies.permission import Role
from tests.support.access import Access

OPERATOR = Cause(Source.ADMIN, "operator:ann")
READ = frozenset({"plans:read"})


@pytest.fixture
def registry(access: Access) -> Registry:
    return Registry(access.database, access.clock)


async def can(access: Access, id_: str, secret: str) -> bool:
    return isinstance(await access.issuer.grant(TokenRequest(id_, secret, None)), Token)


async def test_a_credential_that_was_added_gets_tokens(access: Access, registry: Registry) -> None:
    made, secret = await registry.add("notes", Role.APP, "notes", READ, OPERATOR)

    assert await can(access, made.id, secret)
    assert await registry.list() == [made]


async def test_no_secret_is_kept(access: Access, registry: Registry) -> None:
    _, secret = await registry.add("notes", Role.APP, "notes", READ, OPERATOR)

    async with access.database.connection() as connection:
        rows = await connection.fetch(
            "select to_jsonb(s)::text || (select jsonb_agg(a)::text from audit a)"
            " from credential_secrets s"
        )
    assert rows
    assert secret not in str(rows)


@pytest.mark.parametrize(
    ("role", "app_id", "scopes", "why"),
    [
        (Role.APP, None, READ, "needs an app"),
        (Role.ADMIN, "notes", READ, "has none"),
        (Role.CLIENT, None, READ, "clients have no credentials"),
        (Role.APP, "notes", frozenset({"audit:read"}), "of no use to the role app: audit:read"),
        (Role.ADMIN, None, frozenset({"nonsense"}), "of no use to the role admin: nonsense"),
        (Role.ADMIN, None, frozenset(), "without a scope"),
    ],
)
async def test_what_could_never_work_is_not_added(
    registry: Registry, role: Role, app_id: str | None, scopes: frozenset[str], why: str
) -> None:
    with pytest.raises(CredentialError, match=why):
        await registry.add("x", role, app_id, scopes, OPERATOR)

    assert await registry.list() == []


async def test_a_name_is_had_once_for_ever(registry: Registry) -> None:
    made, _ = await registry.add("notes", Role.APP, "notes", READ, OPERATOR)
    await registry.disable(made.id, OPERATOR)

    with pytest.raises(CredentialError, match="already"):
        await registry.add("notes", Role.APP, "notes", READ, OPERATOR)


@pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines"], ids=["none", "long", "lines"])
async def test_what_is_no_name_is_refused_in_words(registry: Registry, name: str) -> None:
    with pytest.raises(CredentialError, match="1 to 100 printable"):
        await registry.add(name, Role.APP, "notes", READ, OPERATOR)


async def test_a_secret_is_rotated_by_name_or_id(access: Access, registry: Registry) -> None:
    made, first = await registry.add("notes", Role.APP, "notes", READ, OPERATOR)
    _, second = await registry.rotate_secret("notes", timedelta(hours=1), OPERATOR)
    both = [await can(access, made.id, each) for each in (first, second)]
    _, third = await registry.rotate_secret(made.id, timedelta(), OPERATOR)

    last = [await can(access, made.id, each) for each in (first, second, third)]

    assert both == [True, True]
    assert last == [False, False, True]


async def test_secrets_rotated_at_once_leave_two_that_are_good(
    access: Access, registry: Registry
) -> None:
    made, first = await registry.add("notes", Role.APP, "notes", READ, OPERATOR)

    done = await asyncio.gather(
        *(registry.rotate_secret("notes", timedelta(hours=1), OPERATOR) for _ in range(5))
    )

    good = [await can(access, made.id, each) for each in (first, *(secret for _, secret in done))]
    assert good.count(True) == 2


async def test_a_disabled_credential_stays_disabled(access: Access, registry: Registry) -> None:
    made, secret = await registry.add("notes", Role.APP, "notes", READ, OPERATOR)

    await registry.disable("notes", OPERATOR)

    assert isinstance(await access.issuer.grant(TokenRequest(made.id, secret, None)), Refused)
    for again in (registry.disable("notes", OPERATOR), registry.disable("nobody", OPERATOR)):
        with pytest.raises(CredentialError):
            await again
    with pytest.raises(CredentialError, match="disabled already"):
        await registry.rotate_secret("notes", timedelta(), OPERATOR)


async def test_every_change_is_audited(access: Access, registry: Registry) -> None:
    await registry.add("notes", Role.APP, "notes", READ, OPERATOR)
    await registry.rotate_secret("notes", timedelta(), OPERATOR)
    await registry.disable("notes", OPERATOR)

    async with access.database.connection() as connection:
        rows = await connection.fetch("select actor, action from audit order by seq")
    assert [tuple(row) for row in rows] == [
        ("operator:ann", "credential.added"),
        ("operator:ann", "credential.secret_rotated"),
        ("operator:ann", "credential.disabled"),
    ]
