"""All that gives and reads tokens, on a database, with clocks that tests move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from billing.oauth.credential import hash_of, new_secret
from billing.oauth.form import TokenRequest
from billing.oauth.guard import Guard
from billing.oauth.issuing import Issuer, Token
from billing.oauth.ports import Sealer
from billing.oauth.signing import SigningKeys
from billing.oauth.standing import Standing
from billing.oauth.verify import ExternalIssuer, TokenReader
from billing.storage.credentials import create_credential, replace_secret
from billing.storage.pool import Database
from policies.permission import SCOPES_OF, Role
from tests.support.clock import FakeClock, Seconds
from tests.support.keys import RING

ISSUER = "https://pay.example.com"
PUBLISH_DELAY = timedelta(minutes=10)
KEY_AGE = timedelta(days=90)


@dataclass(frozen=True)
class Program:
    """A credential and its secret, as the program that has it knows them."""

    id: str
    secret: str


@dataclass
class Access:
    """One process; `other` makes another one on the same database."""

    database: Database
    clock: FakeClock
    sealer: Sealer = RING
    others: Sequence[ExternalIssuer] = ()
    monotonic: Seconds = field(default_factory=Seconds)

    def __post_init__(self) -> None:
        self.keys = SigningKeys(
            self.database,
            self.sealer,
            self.clock,
            self.monotonic,
            publish_delay=PUBLISH_DELAY,
            key_age=KEY_AGE,
        )
        self.issuer = Issuer(
            ISSUER, self.keys, self.database, self.clock, lives=timedelta(minutes=15)
        )
        standing = Standing(self.database, self.monotonic)
        self.reader = TokenReader(
            ISSUER, self.keys, self.others, self.database, standing, self.clock
        )
        self.guard = Guard(self.database, self.reader, self.clock, self.monotonic)

    def other(self, sealer: Sealer | None = None) -> "Access":
        return Access(self.database, self.clock, sealer or self.sealer, self.others, self.monotonic)

    def move(self, **by: float) -> None:
        """Move both clocks by the arguments of `timedelta`."""
        self.clock.move(**by)
        self.monotonic.now_s += timedelta(**by).total_seconds()

    async def add(
        self, name: str = "notes", role: Role = Role.APP, scopes: frozenset[str] | None = None
    ) -> Program:
        """Register a program; an app's is called as the app is."""
        app_id = name if role is Role.APP else None
        wanted = SCOPES_OF[role] if scopes is None else scopes
        async with self.database.transaction() as connection:
            id_ = await create_credential(
                connection, name, role.value, app_id, wanted, self.clock.now
            )
        return Program(id_, await self.add_secret(id_))

    async def add_secret(self, credential_id: str, **overlap: float) -> str:
        """Give it another secret; those before are good for `overlap` more."""
        secret, now = new_secret(), self.clock.now
        async with self.database.transaction() as connection:
            await replace_secret(
                connection,
                credential_id,
                hash_of(secret),
                now=now,
                others_end_at=now + timedelta(**overlap),
            )
        return secret

    async def token(self, program: Program, scopes: frozenset[str] | None = None) -> str:
        """Return a token, which has to be given."""
        given = await self.issuer.grant(TokenRequest(program.id, program.secret, scopes))
        assert isinstance(given, Token), given
        return given.text

    async def denials(self) -> list[Mapping[str, Any]]:
        """Return the rows of the audit log about denials."""
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "select actor, client_id::text, after, cause_request_id from audit"
                " where action = 'access.denied' order by seq"
            )
        return [dict(row) for row in rows]
