"""A provider that is silent or fails again and again: callers hear in time, nothing is twice."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from billing.storage.pool import Database
from gateway.metrics import Metrics
from tests.support.market import Market, Told, open_market

# Ours for one call; an answer takes a few calls at most, and the stand-in is silent for a minute.
_TIMEOUT_S = 1.0
_ANSWERED_WITHIN_S = 10.0
_SILENCE_S = 60


@pytest.fixture
async def hurried(database: Database) -> AsyncIterator[Market]:
    """A market that waits for its provider a second at most."""
    async with open_market(database, timeout_s=_TIMEOUT_S) as opened:
        yield opened


async def _refund(market: Market) -> Told:
    told = await market.ask("GET", "/payments")
    payment = next(one for one in told.json["items"] if one["status"] != "open")
    wish = {"reason": "asked for", "amount_minor": 200}
    path = f"/payments/{payment['id']}/refunds"
    return await market.ask("POST", path, wish, Idempotency_Key="k")


async def _cancel(market: Market) -> Told:
    return await market.change(cancel_at_period_end=True)


async def _end(market: Market) -> Told:
    held = await market.held()
    return await market.ask("DELETE", f"/subscriptions/{held['id']}?at_period_end=false")


async def _open_portal(market: Market) -> Told:
    return await market.ask("POST", f"/clients/{market.client_id}/portal", {})


async def _buy_more(market: Market) -> Told:
    return await market.begin("seats")


@pytest.mark.parametrize("call", [_refund, _cancel, _end, _open_portal, _buy_more])
async def test_a_provider_that_is_silent_is_told_of_within_our_own_time(
    hurried: Market, call: Callable[[Market], Awaitable[Told]]
) -> None:
    await hurried.buy()
    await hurried.turn("faults", kind="hang", seconds=_SILENCE_S, count=100)
    began_s = time.monotonic()

    told = await call(hurried)

    assert time.monotonic() - began_s < _ANSWERED_WITHIN_S
    assert (told.status, told.problem, told.retry_after) == (503, "try-again", "1")
    assert await hurried.is_open()


@pytest.mark.parametrize(
    ("path", "call", "made"),
    [("/v1/refunds", _refund, "refunds"), ("/v1/checkout", _buy_more, "checkout/sessions")],
)
async def test_what_was_asked_of_a_silent_provider_is_done_once(
    hurried: Market, path: str, call: Callable[[Market], Awaitable[Told]], made: str
) -> None:
    await hurried.buy()
    before = len(await hurried.stripe.all(made))
    await hurried.turn("faults", kind="hang", seconds=2 * _TIMEOUT_S, when="after", path=path)
    silent = await call(hurried)

    async with asyncio.timeout(30):
        # As long as it works on the first call, the provider refuses another one of that key.
        while (told := await call(hurried)).status != 201:
            assert told.status in {409, 503}, told.json

    assert silent.status == 503
    assert len(await hurried.stripe.all(made)) == before + 1


async def test_a_provider_that_fails_again_and_again_is_left_alone_and_the_paid_go_on(
    database: Database,
) -> None:
    metrics = Metrics()
    async with open_market(database, cooldown_s=3600.0, meter=metrics) as market:
        await market.buy()
        await market.turn("faults", kind="error", count=100)
        failed = [await market.begin("seats") for _ in range(5)]
        await market.end_faults()
        before = await market.stripe.all("checkout/sessions")

        alone = await market.begin("seats")

        assert {told.problem for told in (*failed, alone)} == {"try-again"}
        assert alone.retry_after == "1"
        assert await market.stripe.all("checkout/sessions") == before
        assert await market.is_open()
        shown = (await metrics.render(database)).decode()
    assert "tollway_provider_shut_out 1.0" in shown
    assert 'tollway_provider_calls_total{outcome="shut_out"} 1.0' in shown


async def test_a_provider_that_answers_again_is_asked_again(database: Database) -> None:
    metrics = Metrics()
    async with open_market(database, meter=metrics) as market:
        await market.turn("faults", kind="error", count=5)
        failed = [await market.begin() for _ in range(5)]
        during = (await metrics.render(database)).decode()

        told = await market.begin()

        after = (await metrics.render(database)).decode()
        assert [one.status for one in (*failed, told)] == [503] * 5 + [201]
    assert "tollway_provider_shut_out 1.0" in during
    assert "tollway_provider_shut_out 0.0" in after
