"""The sandbox's own operations, and its clock: for tests, behind the same key as the API."""

import asyncio
import json

import pytest
import stripe

from demo.sandbox.due import settle_due
from tests.support.sandbox import Sandbox
from tests.support.stripe_account import DAY_S, START_S, Account


async def test_clock_moves_and_tells_the_time(account: Account) -> None:
    moved = await account.ask("post", "/_sandbox/clock", advance_s=90)

    assert moved == {"now": START_S + 90, "offset_s": 90}
    assert await account.ask("get", "/_sandbox/clock") == moved


@pytest.mark.parametrize("advance_s", ["0", "-1", "soon", str(10**12)])
async def test_clock_takes_no_step_that_cannot_be(account: Account, advance_s: str) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        await account.ask("post", "/_sandbox/clock", advance_s=advance_s)

    assert account.now_s() == START_S


@pytest.mark.parametrize("path", ["/_sandbox/clock", "/_sandbox/account", "/_sandbox/disputes"])
async def test_sandbox_operations_need_the_key(sandbox: Sandbox, path: str) -> None:
    answer = await sandbox.ask("POST", path, data={"advance_s": "60"})

    assert answer.status == 401


async def test_json_is_taken_as_well_as_a_form(sandbox: Sandbox) -> None:
    answer = await sandbox.ask(
        "POST",
        "/_sandbox/account",
        data=json.dumps({"dunning_end": "unpaid", "retry_after_days": [1, 2]}).encode(),
        headers={
            "Authorization": "Bearer sk_test_of_the_tests",
            "Content-Type": "application/json",
        },
    )

    assert answer.json() == {"dunning_end": "unpaid", "retry_after_days": [1, 2]}


@pytest.mark.parametrize("body", [b"[]", b"{", b"[" * 100_000, b'"x"'])
async def test_json_that_is_no_object_is_refused(sandbox: Sandbox, body: bytes) -> None:
    answer = await sandbox.ask(
        "POST",
        "/v1/customers",
        data=body,
        headers={
            "Authorization": "Bearer sk_test_of_the_tests",
            "Content-Type": "application/json",
        },
    )

    assert (answer.status, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_moved_clock_is_told_to_those_who_follow_it(sandbox: Sandbox) -> None:
    await sandbox.api("POST", "/_sandbox/clock", {"advance_s": "3600"})

    assert (sandbox.data / "clock-offset").read_text() == "3600"


async def test_account_keeps_its_settings(account: Account) -> None:
    await account.ask("post", "/_sandbox/account", retry_after_days=[1, 1])

    await account.ask("post", "/_sandbox/account", dunning_end="unpaid")

    assert await account.ask("get", "/_sandbox/account") == {
        "dunning_end": "unpaid",
        "retry_after_days": [1, 1],
    }


async def test_everything_due_happens_in_the_order_of_its_time(account: Account) -> None:
    await account.subscribe("month", "year")
    await account.subscribe(card="pm_card_visa", trial_period_days=9)
    failing = await account.subscribe()
    await account.use_card(failing["customer"], "pm_card_chargeCustomerFail")

    await account.advance(100)

    moments = [event["created"] for event in await account.events()]
    assert moments == sorted(moments)
    assert moments[-1] > START_S + 80 * DAY_S


async def test_what_falls_due_happens_without_a_task(account: Account) -> None:
    subscription = await account.subscribe()
    account.ledger.clock.advance(31 * DAY_S)

    count = await settle_due(account.ledger)

    assert count == 1
    assert len(list(account.ledger.store.oldest("invoice"))) == 2
    assert (await account.read(subscription))["status"] == "active"


async def test_call_finds_what_fell_due_before_it_done(account: Account) -> None:
    subscription = await account.subscribe(cancel_at_period_end=True)
    account.ledger.clock.advance(31 * DAY_S)

    assert (await account.read(subscription))["status"] == "canceled"


async def test_calls_at_the_same_time_each_have_their_effect(account: Account) -> None:
    subscription = await account.subscribe()
    path = f"subscriptions/{subscription['id']}"

    await asyncio.gather(
        *(account.post(path, metadata={f"key_{i}": "set"}) for i in range(10)),
        account.advance(31),
    )

    found = await account.read(subscription)
    assert found["metadata"] == {f"key_{i}": "set" for i in range(10)}
    assert len(await account.invoices(subscription)) == 2


async def test_open_invoice_paid_by_many_at_once_is_paid_once(account: Account) -> None:
    subscription = await account.subscribe(payment_behavior="default_incomplete")
    path = f"invoices/{subscription['latest_invoice']}/pay"

    answers = await asyncio.gather(*(account.post(path) for _ in range(5)), return_exceptions=True)

    assert sum(isinstance(answer, dict) for answer in answers) == 1
    assert len(await account.all("charges")) == 1
