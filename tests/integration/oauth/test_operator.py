"""Tokens that operators make: as wished, for who is there, and told to the audit log."""

from datetime import timedelta

import pytest

from billing.errors import CredentialError
from billing.model import Cause, Source
from billing.oauth.operator import Wish, make_token
from billing.storage.client_endings import close_client
from billing.storage.clients import get_or_create_client
from policies.permission import SCOPES, Role
from tests.support.access import Access

HOUR = timedelta(hours=1)
OPERATOR = Cause(Source.ADMIN, "operator:ann")
ALL: frozenset[str] = frozenset()


async def test_without_scopes_it_has_all_of_its_role(access: Access) -> None:
    wish = Wish(Role.ADMIN, None, None, ALL, HOUR)

    token = await make_token(access.database, access.issuer, wish, OPERATOR)

    caller = await access.reader.identify(token.text)
    assert caller.scopes == SCOPES
    assert caller.actor == caller.name == "operator:ann"


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (Wish(Role.APP, None, None, ALL, HOUR), "an app is named"),
        (Wish(Role.ADMIN, "notes", None, ALL, HOUR), "an app is named"),
        (Wish(Role.CLIENT, None, None, ALL, HOUR), "a client is named"),
        (Wish(Role.ADMIN, None, "ann", ALL, HOUR), "a client is named"),
        (Wish(Role.CLIENT, None, "nobody", ALL, HOUR), "there is no client 'nobody'"),
        (Wish(Role.APP, "notes", None, frozenset({"audit:read"}), HOUR), "of no use"),
    ],
)
async def test_a_wish_that_cannot_be_makes_no_token(access: Access, wish: Wish, why: str) -> None:
    with pytest.raises(CredentialError, match=why):
        await make_token(access.database, access.issuer, wish, OPERATOR)


async def test_a_closed_client_has_no_token(access: Access) -> None:
    async with access.database.transaction() as connection:
        ann = await get_or_create_client(connection, "ann")
        await close_client(connection, ann, OPERATOR, access.clock.now)

    with pytest.raises(CredentialError):
        await make_token(
            access.database, access.issuer, Wish(Role.CLIENT, None, "ann", ALL, HOUR), OPERATOR
        )


async def test_an_external_id_that_looks_like_anothers_id_is_not_taken_for_it(
    access: Access,
) -> None:
    async with access.database.transaction() as connection:
        ann = await get_or_create_client(connection, "ann")
        await get_or_create_client(connection, ann)  # Bob calls himself by Ann's id.
    wish = Wish(Role.CLIENT, None, ann, ALL, HOUR)

    token = await make_token(access.database, access.issuer, wish, OPERATOR)

    assert (await access.reader.identify(token.text)).client_id == ann


async def test_who_made_it_for_whom_stands_in_the_audit_log(access: Access) -> None:
    async with access.database.transaction() as connection:
        ann = await get_or_create_client(connection, "ann")
    wish = Wish(Role.CLIENT, None, "ann", frozenset({"payments:read"}), HOUR)

    token = await make_token(access.database, access.issuer, wish, OPERATOR)

    async with access.database.connection() as connection:
        row = await connection.fetchrow(
            "select actor, client_id::text, after from audit where action = 'token.made'"
        )
    assert row is not None
    assert (row["actor"], row["client_id"]) == ("operator:ann", ann)
    assert row["after"]["token_id"] == token.token_id
    assert token.text not in str(row["after"])
