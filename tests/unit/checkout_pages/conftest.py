"""The pages on a real server."""

import pytest
from pytest_aiohttp import AiohttpClient

from tests.support.clock import FakeClock
from tests.support.pages import Pages, serve_pages


@pytest.fixture
async def pages(aiohttp_client: AiohttpClient, clock: FakeClock) -> Pages:
    return await serve_pages(aiohttp_client, clock)
