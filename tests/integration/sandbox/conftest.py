"""A sandbox, and somewhere for its webhooks to go."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.sandbox import Receiver, Sandbox, run_receiver, run_sandbox


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with run_receiver() as running:
        yield running


@pytest.fixture
async def sandbox(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Sandbox]:
    async with run_sandbox(tmp_path, receiver) as running:
        yield running
