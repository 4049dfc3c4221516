"""Tokens on a real database, and a server that gives them out and asks for them."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from billing.errors import AccessError, NotPermittedError, NotYoursError
from billing.oauth.endpoint import TokenEndpoint
from billing.storage.pool import Database
from tests.support.access import ISSUER, Access
from tests.support.clock import FakeClock

Http = TestClient[web.Request, web.Application]


@pytest.fixture
def access(database: Database, clock: FakeClock) -> Access:
    return Access(database, clock)


@pytest.fixture
async def http(access: Access) -> AsyncIterator[Http]:
    """The endpoint, and one call of an API: `GET /clients/{id}`."""

    async def show(request: web.Request) -> web.Response:
        try:
            caller = await access.guard.authenticate(request)
            client_id = request.match_info["id"]
            await access.guard.permit(caller, "clients:read", client_id=client_id, request_id="r1")
        except NotPermittedError as error:
            return _answer(403, error)
        except NotYoursError as error:
            return _answer(404, error)
        except AccessError as error:
            return _answer(401, error)
        return web.json_response({"client_id": client_id})

    app = web.Application(client_max_size=16_384)
    app.add_routes(TokenEndpoint(access.issuer, access.keys, ISSUER, access.monotonic).routes())
    app.add_routes([web.get("/clients/{id}", show)])
    async with TestClient(TestServer(app)) as client:
        yield client


def _answer(status: int, error: AccessError) -> web.Response:
    headers = {"WWW-Authenticate": error.challenge} if error.challenge else {}
    return web.json_response({"why": str(error)}, status=status, headers=headers)
