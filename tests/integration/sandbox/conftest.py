"""The sandbox, with the product's own adapter in front of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from billing.providers.stripe.adapter import Stripe
from tests.support.clock import FakeClock
from tests.support.sandbox import Receiver, Sandbox, Shop, run_adapter, run_receiver, run_sandbox
from tests.support.stripe_account import Account, open_account


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with run_receiver() as running:
        yield running


@pytest.fixture
async def sandbox(tmp_path: Path, receiver: Receiver, clock: FakeClock) -> AsyncIterator[Sandbox]:
    async with run_sandbox(tmp_path, receiver.url, lambda: clock().timestamp()) as running:
        yield running


@pytest.fixture
async def stripe(sandbox: Sandbox) -> AsyncIterator[Stripe]:
    async with run_adapter(sandbox.url) as adapter:
        yield adapter


@pytest.fixture
def shop(sandbox: Sandbox, stripe: Stripe, receiver: Receiver, clock: FakeClock) -> Shop:
    return Shop(sandbox, stripe, receiver, clock)


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    async with open_account() as opened:
        yield opened
