"""Fixtures for all: real servers, and an empty, migrated database for each test."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from billing.storage.pool import Database
from tests.support.clock import FakeClock
from tests.support.keys import RING
from tests.support.servers import Servers, new_database, run_servers
from tests.support.tally import TALLY, Tally

# How fast this machine is just now, is not what any property is about.
settings.register_profile("tollway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tollway")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder: Path = tmp_path_factory.mktemp("servers")
    with run_servers(folder) as running:
        yield running


@pytest.fixture
async def database_url(servers: Servers) -> AsyncIterator[str]:
    """The URL of a database of the test's own, migrated and empty."""
    async with new_database(servers) as url:
        yield url


@pytest.fixture
async def bare_database_url(servers: Servers) -> AsyncIterator[str]:
    """The URL of a database of the test's own, which no migration has seen."""
    async with new_database(servers, is_migrated=False) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url, size=8, ring=RING)
    yield opened
    await opened.close()


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """What a property counts of its examples, told at the end of the report."""
    counted = Tally()
    yield counted
    record_property(TALLY, str(counted))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell on how many messages properties were tried."""
    # The category without a name is that of set-ups and tear-downs.
    for report in terminalreporter.getreports(""):
        for name, value in report.user_properties:
            if name == TALLY:
                terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
