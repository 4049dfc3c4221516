from collections.abc import AsyncIterator

import pytest

from billing.storage.pool import Database
from tests.support.market import Market, open_market


@pytest.fixture
async def market(database: Database) -> AsyncIterator[Market]:
    async with open_market(database) as opened:
        yield opened
