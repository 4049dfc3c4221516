"""What the adapter makes of a provider that refuses, is away, hangs or talks nonsense."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from billing.errors import BillingError, NoSuchObjectError, ProviderRefusedError, UnavailableError
from billing.metrics import CallOutcome
from billing.providers.stripe.adapter import Stripe
from tests.support.meter import Tally
from tests.support.ports import refusing_port
from tests.support.sandbox import (
    Sandbox,
    make_order,
    run_adapter,
    run_bytes,
)

Act = Callable[[Stripe], Awaitable[object]]

_CALLS: dict[str, Act] = {
    "create_checkout": lambda stripe: stripe.create_checkout(make_order()),
    "fetch_checkout": lambda stripe: stripe.fetch_checkout("cs_test_nowhere"),
    "fetch_subscription": lambda stripe: stripe.fetch_subscription("sub_nowhere"),
    "cancel_at_period_end": lambda stripe: stripe.cancel_at_period_end("sub_nowhere", key="k"),
    "resume": lambda stripe: stripe.resume("sub_nowhere", key="k"),
}
_EVERY_CALL = pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS.keys())
_HALF_A_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"


def _answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


@_EVERY_CALL
async def test_wrong_key_gives_nothing_up(sandbox: Sandbox, call: Act) -> None:
    async with run_adapter(sandbox.url, key="sk_test_wrong") as stripe:
        with pytest.raises(UnavailableError, match="Invalid API Key"):
            await call(stripe)


@_EVERY_CALL
async def test_wrong_key_is_not_told_in_the_error(sandbox: Sandbox, call: Act) -> None:
    async with run_adapter(sandbox.url, key="sk_test_wrong") as stripe:
        with pytest.raises(UnavailableError) as caught:
            await call(stripe)

    assert "sk_test_wrong" not in str(caught.value)


@pytest.mark.parametrize(
    "call", [_CALLS[name] for name in _CALLS if name != "create_checkout"], ids=list(_CALLS)[1:]
)
async def test_unknown_object_is_refused(stripe: Stripe, call: Act) -> None:
    with pytest.raises(NoSuchObjectError, match="No such"):
        await call(stripe)


@_EVERY_CALL
async def test_closed_port_is_unavailable(call: Act) -> None:
    with refusing_port() as port:
        async with run_adapter(f"http://127.0.0.1:{port}") as stripe:
            with pytest.raises(UnavailableError):
                await call(stripe)


@_EVERY_CALL
@pytest.mark.parametrize(
    "sent",
    [b"", b"HTTP/1.1 200 OK\r\n", _HALF_A_BODY],
    ids=["nothing", "half a head", "half a body"],
)
# What the SDK leaves behind is the matter of the next test.
@pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
async def test_server_that_hangs_is_unavailable(call: Act, sent: bytes) -> None:
    async with run_bytes(sent) as url, run_adapter(url, timeout_s=0.3) as stripe:
        with pytest.raises(UnavailableError):
            await call(stripe)

    gc.collect()


@pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
async def test_provider_that_hung_a_hundred_times_is_reached_again() -> None:
    refusal = _answer(b'{"error": {"message": "No such session"}}', b"404 Not Found")
    async with (
        run_bytes(_HALF_A_BODY, refusal, times=100) as url,
        # Left alone for no time at all, so that every one of the hundred is asked.
        run_adapter(url, timeout_s=0.5, cooldown_s=0.0) as stripe,
    ):
        calls = [stripe.fetch_checkout("cs_test_1") for _ in range(100)]
        await asyncio.gather(*calls, return_exceptions=True)
        gc.collect()

        with pytest.raises(ProviderRefusedError):
            await stripe.fetch_checkout("cs_test_1")


@pytest.mark.parametrize("status", [b"429 Too Many", b"500 Fault", b"502 Bad", b"503 Busy"])
async def test_server_that_asks_for_patience_is_unavailable(status: bytes) -> None:
    sent = _answer(b'{"error": {"type": "api_error", "message": "later"}}', status)
    async with run_bytes(sent) as url, run_adapter(url) as stripe:
        with pytest.raises(UnavailableError):
            await stripe.fetch_checkout("cs_test_1")


@pytest.mark.parametrize("call", ["fetch_checkout", "fetch_subscription"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'{"id": "cs_1"}',
        pytest.param(b"\xff\xfe"),
        b"{" * 5000,
    ],
    ids=lambda body: repr(body[:15]),
)
async def test_nonsense_is_an_error_of_billing(call: str, body: bytes) -> None:
    async with run_bytes(_answer(body)) as url, run_adapter(url) as stripe:
        with pytest.raises(BillingError):
            await _CALLS[call](stripe)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1"])
@pytest.mark.parametrize("call", ["fetch_checkout", "fetch_subscription"])
async def test_json_that_is_no_object_is_an_error_of_billing(call: str, body: bytes) -> None:
    async with run_bytes(_answer(body)) as url, run_adapter(url) as stripe:
        with pytest.raises(BillingError):
            await _CALLS[call](stripe)


# Ends the connection, so that the next call gets an answer of its own.
_ONCE = b"\r\nConnection: close"


async def test_provider_that_fails_in_a_row_is_left_alone() -> None:
    meter = Tally()
    busy = _answer(b"{}", b"503 Busy" + _ONCE)
    async with run_bytes(busy) as url, run_adapter(url, meter=meter) as stripe:
        for _ in range(5):
            with pytest.raises(UnavailableError):
                await stripe.fetch_checkout("cs_test_1")

        with pytest.raises(UnavailableError, match="left alone"):
            await stripe.fetch_checkout("cs_test_1")
    assert meter.is_shut_out
    assert meter.calls == [CallOutcome.FAILED] * 5 + [CallOutcome.SHUT_OUT]


async def test_refusals_are_no_failures() -> None:
    refusal = _answer(b'{"error": {"message": "No such session"}}', b"404 Not Found" + _ONCE)
    meter = Tally()
    async with run_bytes(refusal) as url, run_adapter(url, meter=meter) as stripe:
        for _ in range(6):
            with pytest.raises(ProviderRefusedError):
                await stripe.fetch_checkout("cs_test_1")

    assert not meter.is_shut_out
    assert meter.calls == [CallOutcome.REFUSED] * 6


async def test_short_pause_that_the_provider_asks_for_is_made() -> None:
    busy = (
        b"HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nContent-Length: 2\r\n"
        b"Connection: close\r\n\r\n{}"
    )
    refusal = _answer(b'{"error": {"message": "No such session"}}', b"404 Not Found")
    async with run_bytes(busy, refusal, times=1) as url, run_adapter(url) as stripe:
        with pytest.raises(ProviderRefusedError):
            await stripe.fetch_checkout("cs_test_1")
