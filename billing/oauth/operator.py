"""Tokens that operators make for themselves, to look at something or to set it right."""

from dataclasses import dataclass
from datetime import timedelta

from billing.errors import CredentialError
from billing.model import Cause
from billing.oauth.claims import OPERATOR, Terms
from billing.oauth.issuing import Issuer, Token
from billing.oauth.registry import check_scopes
from billing.storage.audit import write_audit
from billing.storage.callers import find_open_client
from billing.storage.pool import Database
from policies.permission import SCOPES_OF, Role


@dataclass(frozen=True, slots=True)
class Wish:
    """Whose token it shall be; `client` is an id or an external id, no scopes are all."""

    role: Role
    app_id: str | None
    client: str | None
    scopes: frozenset[str]
    lives: timedelta


async def make_token(database: Database, issuer: Issuer, wish: Wish, cause: Cause) -> Token:
    """Return a token whose calls the audit log tells as the operator's own.

    No credential stands behind it, so that nothing ends it but its time.

    Raises:
        CredentialError: there is no such client, or the wish contradicts itself.
        UnavailableError: there is no key to sign with.
    """
    if (wish.role is Role.APP) != (wish.app_id is not None):
        raise CredentialError("an app is named for the role app, and for no other")
    if (wish.role is Role.CLIENT) != (wish.client is not None):
        raise CredentialError("a client is named for the role client, and for no other")
    scopes = wish.scopes or SCOPES_OF[wish.role]
    check_scopes(wish.role, scopes)
    client_id = None
    if wish.client is not None:
        async with database.connection() as connection:
            client_id = await find_open_client(connection, wish.client)
        if client_id is None:
            raise CredentialError(f"there is no client {wish.client!r}, or it is closed")
    token = await issuer.sign(
        Terms(
            subject=cause.actor,
            credential_id=OPERATOR,
            name=cause.actor,
            role=wish.role,
            app_id=wish.app_id,
            client_id=client_id,
            scopes=scopes,
            lives=wish.lives,
        )
    )
    told = {
        "token_id": token.token_id,
        "role": wish.role.value,
        "app_id": wish.app_id,
        "scopes": sorted(scopes),
        "lives_s": token.lives_s,
    }
    async with database.transaction() as connection:
        await write_audit(connection, "token.made", client_id, cause, after=told)
    return token
