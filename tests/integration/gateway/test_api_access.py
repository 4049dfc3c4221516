"""Tokens of a running `tollway serve`, asked for as a program on the net does."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import jwt
import pytest
from aiohttp import encode_basic_auth

from billing.model import Cause, Source
from billing.oauth.registry import Registry
from billing.storage.pool import Database
from gateway.clock import wall
from policies.permission import Role
from tests.support.serving import Served, environment_of, serve, write_config

TOKEN = "/oauth/token"
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
async def served(
    tmp_path: Path, run: Path, database: Database, database_url: str
) -> AsyncIterator[Served]:
    file = write_config(tmp_path / "my.yaml", "http://127.0.0.1:1")
    async with serve(file, environment_of(database_url, run)) as running:
        yield running


async def ask(served: Served, id_: str, secret: str) -> tuple[int, dict[str, str]]:
    headers = {
        "Host": "checkout.localhost",
        "Authorization": encode_basic_auth(id_, secret),
        # Whatever a visitor says of where he comes from is not believed.
        "X-Forwarded-For": f"192.0.2.{len(secret)}",
    }
    url = f"http://127.0.0.1:{served.port}{TOKEN}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=GRANT, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_program_gets_a_token_and_its_key_is_published(
    served: Served, database: Database
) -> None:
    made, secret = await Registry(database, wall).add(
        "backend", Role.APP, "notes", frozenset({"plans:read"}), Cause(Source.ADMIN, "operator:ann")
    )

    status, given = await ask(served, made.id, secret)
    jwks_status, jwks = await served.ask("/.well-known/jwks.json", "checkout")
    metadata_status, metadata = await served.ask(
        "/.well-known/oauth-authorization-server", "checkout"
    )

    assert (status, jwks_status, metadata_status) == (200, 200, 200)
    assert jwt.get_unverified_header(given["access_token"])["kid"] in jwks
    claims = jwt.decode(given["access_token"], options={"verify_signature": False})
    assert claims["iss"] in metadata
    assert not [line for line in served.lines if secret in str(line)]
    assert not [line for line in served.lines if given["access_token"] in str(line)]


async def test_who_guesses_cannot_pretend_to_come_from_elsewhere(served: Served) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"

    statuses = [(await ask(served, nobody, "x" * (number + 1)))[0] for number in range(12)]

    assert statuses == [401] * 10 + [429] * 2
