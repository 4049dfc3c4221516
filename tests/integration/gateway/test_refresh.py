"""Who paid for a renewal of which no event came is not refused, in however many processes."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from billing.storage.clients import get_or_create_client, link_customer
from billing.storage.pool import Database
from tests.support.serving import Served, environment_of, serve, write_config

KEY = "k" * 32  # as in `environment_of`
DAY_S = 86_400


@dataclass
class Provider:
    """Has one subscription, which ends at `until_s`."""

    until_s: int = field(default_factory=lambda: int(time.time()) - 2 * DAY_S)
    url: str = ""
    reads: int = 0

    def subscription(self) -> dict[str, Any]:
        """Return it as Stripe writes it."""
        begun_s = self.until_s - 30 * DAY_S
        item = {
            "id": "si_1",
            "price": {"id": "price_reader"},
            "quantity": 1,
            "current_period_start": begun_s,
            "current_period_end": self.until_s,
        }
        return {
            "id": "sub_1",
            "object": "subscription",
            "customer": "cus_1",
            "livemode": False,
            "status": "trialing",
            "created": begun_s,
            "start_date": begun_s,
            "trial_end": self.until_s,
            "items": {"object": "list", "data": [item]},
            "metadata": {},
            "latest_invoice": None,
        }

    async def list_subscriptions(self, _request: web.Request) -> web.Response:
        found = [self.subscription()]
        return web.json_response({"object": "list", "data": found, "has_more": False})

    async def list_nothing(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [], "has_more": False})

    async def read(self, _request: web.Request) -> web.Response:
        self.reads += 1
        return web.json_response(self.subscription())


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    made, app = Provider(), web.Application()
    app.add_routes(
        [
            web.get("/v1/subscriptions", made.list_subscriptions),
            web.get("/v1/subscriptions/sub_1", made.read),
            web.get("/v1/invoices", made.list_nothing),
        ]
    )
    async with TestServer(app) as server:
        made.url = str(server.make_url(""))
        yield made


@pytest.fixture
async def lapsed(
    tmp_path: Path, run: Path, database: Database, database_url: str, provider: Provider
) -> AsyncIterator[Callable[[int], AbstractAsyncContextManager[Served]]]:
    """Serve with so many workers, with a client ann whose subscription has just ended."""

    async def tell(_request: web.Request) -> web.Response:
        return web.Response(text="notes")

    @asynccontextmanager
    async def serving(workers: int) -> AsyncIterator[Served]:
        environment = environment_of(database_url, run)
        async with serve(file, environment, "--workers", str(workers)) as served:
            code, told = await served.command("reconcile", "--client", "ann", "--yes")
            assert code == 0, told
            yield served

    async with database.transaction() as connection:
        client_id = await get_or_create_client(connection, "ann")
        await link_customer(connection, "stripe", "cus_1", client_id, livemode=False)
    app = web.Application()
    app.add_routes([web.get("/", tell)])
    async with TestServer(app) as backend:
        file = write_config(tmp_path / "my.yaml", str(backend.make_url("")))
        tokens = 'identity:\n  tokens: [{issuer: https://id.example, key: "${SIGNING_KEY}"}]\n'
        account = "  stripe:\n"
        known = file.read_text().replace(account, f"{account}    api_url: {provider.url}\n")
        file.write_text(tokens + known)
        yield serving


async def visit(served: Served) -> int:
    """Knock as ann."""
    claims = {"iss": "https://id.example", "aud": "tollway", "sub": "ann"}
    token = jwt.encode(claims | {"exp": int(time.time()) + 60}, KEY, algorithm="HS256")
    headers = {"Host": "notes.localhost", "Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"http://127.0.0.1:{served.port}/") as answer,
    ):
        return answer.status


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_renewal_that_was_never_told_opens_the_door_at_the_first_knock(
    lapsed: Callable[[int], AbstractAsyncContextManager[Served]], provider: Provider, workers: int
) -> None:
    async with lapsed(workers) as served:
        provider.until_s += 60 * DAY_S

        assert await visit(served) == 200


async def test_who_did_not_pay_is_refused_and_asked_about_once(
    lapsed: Callable[[int], AbstractAsyncContextManager[Served]], provider: Provider
) -> None:
    async with lapsed(1) as served:
        provider.reads = 0

        seen = [await visit(served) for _ in range(5)]

    assert seen == [402] * 5
    assert provider.reads == 1
