"""A Postgres that tests may stop, and `tollway serve` on it."""

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer

from billing.derive import GrantFact
from billing.storage.clients import get_or_create_client
from billing.storage.grants import bump_version, save_grants
from billing.storage.pool import Database
from billing.storage.sessions import create_session
from gateway.embedded.postgres import EmbeddedPostgres
from tests.support.keys import RING
from tests.support.serving import Served, environment_of, write_config

_TOKEN_KEY = "k" * 32  # as in `environment_of`
_HOUR = timedelta(hours=1)


@dataclass
class Outage:
    """`url` is that of the server once it has been started; nothing of it is lost by a stop."""

    postgres: EmbeddedPostgres
    file: Path
    run: Path
    url: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    async def start(self) -> None:
        """Let Postgres answer."""
        self.url = await self.postgres.start()
        self.environment = environment_of(self.url, self.run)

    async def stop(self) -> None:
        """Let Postgres answer nobody any more."""
        await self.postgres.stop()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """Look into the database."""
        opened = await Database.open(self.url, size=2, ring=RING)
        try:
            yield opened
        finally:
            await opened.close()

    async def pay(self, name: str, *, until: timedelta = _HOUR) -> str:
        """Let a client hold the app from now on, and be signed in there; return its id.

        The session's token is the client's name.
        """
        now = datetime.now(UTC)
        fact = GrantFact(
            app_id="notes",
            feature="access",
            value=True,
            source="item",
            source_id=f"si_{name}",
            plan="reader",
            version=1,
            status="active",
            from_at=now - _HOUR,
            until_at=now + until,
        )
        async with self.database() as database, database.transaction() as connection:
            client_id = await get_or_create_client(connection, name)
            await save_grants(connection, client_id, [fact], "test")
            await bump_version(connection, client_id)
            await create_session(
                connection,
                hashlib.sha256(name.encode()).digest(),
                client_id,
                "notes.localhost",
                now=now,
                expires_at=now + _HOUR,
            )
        return client_id


@asynccontextmanager
async def run_outage(folder: Path, run: Path, text: str = "") -> AsyncIterator[Outage]:
    """Run a Postgres, and an app that `tollway serve` may be started before; see `configure`."""

    async def tell(_request: web.Request) -> web.Response:
        return web.Response(text="notes")

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", tell)])
    async with TestServer(app) as backend:
        file = configure(folder / "my.yaml", str(backend.make_url("")), text)
        made = Outage(EmbeddedPostgres(folder / "pg", run / "pg", durable=False), file, run)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()


def configure(file: Path, upstream: str, text: str = "") -> Path:
    """Write a configuration that takes tokens, with a route for each outage policy.

    `text` is added to it.
    """
    write_config(file, upstream, drain_s=1)
    issuer = '{issuer: tests, key: "${SIGNING_KEY}"}'
    routes = "".join(
        f"      - {{path: /{policy}/, access: entitled, on_unknown: {policy}}}\n"
        for policy in ("closed", "insecure_open")
    )
    file.write_text(f"{file.read_text()}{routes}identity: {{tokens: [{issuer}]}}\n{text}\n")
    return file


async def visit(served: Served, name: str, path: str = "/", *, by: str = "session") -> int:
    """Return the status that the client gets: `by` its session, or a token."""
    headers = {"Host": "notes.localhost", "Accept": "*/*"}
    if by == "session":
        headers["Cookie"] = f"tollway={name}"
    else:
        claims = {"iss": "tests", "aud": "tollway", "sub": name, "exp": time.time() + 600}
        headers["Authorization"] = f"Bearer {jwt.encode(claims, _TOKEN_KEY, algorithm='HS256')}"
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(f"http://127.0.0.1:{served.port}{path}", headers=headers) as answer,
    ):
        return answer.status
