"""What is open ends in every process: by a commit, a sign-out, and after a gap in the notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from billing.derive import GrantFact
from billing.storage import grants, sessions
from billing.storage.clients import get_or_create_client
from billing.storage.pool import Database
from gateway.sessions import _hash
from tests.support.serving import (
    LIMIT_S,
    Backend,
    Served,
    environment_of,
    run_backend,
    serve,
    write_config,
)

HOST = "notes.localhost"
# Enough that no worker is without one, but once in thirty thousand runs.
SOCKETS = 16
TOKEN = "token-of-ann"


@dataclass
class Ann:
    """A client who is signed in and has paid for a day."""

    database: Database
    client_id: str

    async def grant(self, lasts: timedelta = timedelta(days=1)) -> None:
        """Have paid until then, from now on."""
        now = datetime.now(UTC)
        fact = GrantFact(
            app_id="notes",
            feature="access",
            value=True,
            source="item",
            source_id="si_1",
            plan="reader",
            version=1,
            status="active",
            from_at=now - timedelta(days=1),
            until_at=now + lasts,
        )
        async with self.database.transaction() as connection:
            await grants.save_grants(connection, self.client_id, [fact], "test")
            await grants.bump_version(connection, self.client_id)

    async def revoke(self) -> None:
        """Have nothing any more."""
        async with self.database.transaction() as connection:
            held = await grants.list_derived(connection, self.client_id)
            await grants.revoke_grants(connection, [g.id for g in held], datetime.now(UTC))
            await grants.bump_version(connection, self.client_id)

    async def sign_out(self) -> None:
        """End the session on the app's host."""
        async with self.database.transaction() as connection:
            await sessions.revoke_session(connection, _hash(TOKEN), datetime.now(UTC))


@pytest.fixture
async def ann(database: Database) -> Ann:
    now = datetime.now(UTC)
    async with database.transaction() as connection:
        client_id = await get_or_create_client(connection, "demo:ann")
        await sessions.create_session(
            connection, _hash(TOKEN), client_id, HOST, now=now, expires_at=now + timedelta(hours=1)
        )
    ann = Ann(database, client_id)
    await ann.grant()
    return ann


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with run_backend("app") as running:
        yield running


@pytest.fixture
async def served(
    backend: Backend, tmp_path: Path, database_url: str, run: Path
) -> AsyncIterator[Served]:
    file = write_config(tmp_path / "tollway.yaml", backend.url)
    async with serve(file, environment_of(database_url, run), "--workers", "2") as running:
        yield running


@pytest.fixture
async def opened(served: Served, ann: Ann) -> AsyncIterator[list[aiohttp.ClientWebSocketResponse]]:
    """WebSockets of one client, at every worker."""
    headers = {"Host": HOST, "Cookie": f"tollway={TOKEN}"}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar())
        )
        url = f"http://127.0.0.1:{served.port}/paid/ws"
        yield [await stack.enter_async_context(http.ws_connect(url)) for _ in range(SOCKETS)]


async def closes(opened: list[aiohttp.ClientWebSocketResponse]) -> set[tuple[object, object]]:
    """Return how they close: codes and reasons."""
    async with asyncio.timeout(LIMIT_S):
        messages = await asyncio.gather(*(ws.receive() for ws in opened))
    return {(message.data, message.extra) for message in messages}


async def test_commit_that_takes_access_away_closes_all_of_them(
    opened: list[aiohttp.ClientWebSocketResponse], ann: Ann
) -> None:
    await ann.revoke()

    assert await closes(opened) == {(4402, "grant_ended")}


async def test_sign_out_closes_all_of_them(
    opened: list[aiohttp.ClientWebSocketResponse], ann: Ann
) -> None:
    await ann.sign_out()

    assert await closes(opened) == {(4401, "session_ended")}


async def test_renewal_and_reload_close_none(
    opened: list[aiohttp.ClientWebSocketResponse], ann: Ann, served: Served
) -> None:
    await ann.grant(timedelta(days=30))
    code, _ = await served.command("reload")
    await ann.grant(timedelta(days=60))
    for ws in opened:
        await ws.send_str("still here")
    echoed = {(await ws.receive()).data for ws in opened}
    await ann.revoke()

    assert (code, echoed) == (0, {"still here"})
    assert await closes(opened) == {(4402, "grant_ended")}


async def test_what_changed_while_nobody_listened_closes_them(
    opened: list[aiohttp.ClientWebSocketResponse], ann: Ann
) -> None:
    async with ann.database.transaction() as connection:
        # Whoever listens is gone before it is committed, and no notice reaches anybody.
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
            " and (query ilike 'listen%' or query = 'select 1')"
        )
        held = await grants.list_derived(connection, ann.client_id)
        await grants.revoke_grants(connection, [g.id for g in held], datetime.now(UTC))
        await grants.bump_version(connection, ann.client_id)

    assert await closes(opened) == {(4402, "grant_ended")}
