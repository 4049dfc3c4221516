"""Faults of the API on demand, and idempotency keys in the midst of them."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.support.sandbox import API_KEY, Answer, Sandbox, Shop

_KEY = {"Authorization": f"Bearer {API_KEY}"}


async def _fault(sandbox: Sandbox, **fault: Any) -> None:
    await sandbox.control("POST", "faults", fault)


async def _create(sandbox: Sandbox, key: str, **fields: str) -> Answer:
    headers = {**_KEY, "Idempotency-Key": key}
    return await sandbox.ask("POST", "/v1/customers", data=fields, headers=headers)


@pytest.mark.parametrize(("kind", "status"), [("error", 500), ("limit", 429)])
async def test_next_calls_are_refused_and_then_no_more(
    sandbox: Sandbox, kind: str, status: int
) -> None:
    await _fault(sandbox, kind=kind, count=2)

    statuses = [(await sandbox.api("GET", "/v1/customers")).status for _ in range(3)]

    assert statuses == [status, status, 200]


async def test_fault_befalls_only_the_path_that_it_names(sandbox: Sandbox) -> None:
    await _fault(sandbox, kind="error", path="/v1/invoices")

    others = await sandbox.api("GET", "/v1/customers")
    named = await sandbox.api("GET", "/v1/invoices")

    assert (others.status, named.status) == (200, 500)


async def test_fault_befalls_only_the_method_that_it_names(sandbox: Sandbox) -> None:
    await _fault(sandbox, kind="error", method="POST")

    read = await sandbox.api("GET", "/v1/customers")
    written = await sandbox.api("POST", "/v1/customers")

    assert (read.status, written.status) == (200, 500)


async def test_faults_come_one_after_the_other_and_can_be_taken_back(sandbox: Sandbox) -> None:
    await _fault(sandbox, kind="limit")
    await _fault(sandbox, kind="error", count=5)

    first = await sandbox.api("GET", "/v1/customers")
    second = await sandbox.api("GET", "/v1/customers")
    left = await sandbox.control("GET", "faults")
    await sandbox.control("DELETE", "faults")
    last = await sandbox.api("GET", "/v1/customers")

    assert (first.status, second.status, last.status) == (429, 500, 200)
    assert [fault["count"] for fault in left["faults"]] == [4]


@pytest.mark.parametrize("kind", ["cut", "hang"])
async def test_connection_breaks(sandbox: Sandbox, kind: str) -> None:
    await _fault(sandbox, kind=kind)

    # A GET on a connection that was used before is sent anew by the client itself.
    with pytest.raises(aiohttp.ClientError):
        await sandbox.api("POST", "/v1/customers")

    assert (await sandbox.api("POST", "/v1/customers")).status == 200


async def test_call_that_hangs_was_not_carried_out(sandbox: Sandbox) -> None:
    await _fault(sandbox, kind="hang")

    with pytest.raises(aiohttp.ClientError):
        await _create(sandbox, "key-1")

    assert (await sandbox.state())["customers"] == 0


@pytest.mark.parametrize("kind", ["cut", "hang"])
async def test_answer_that_got_lost_is_had_by_repeating(sandbox: Sandbox, kind: str) -> None:
    await _fault(sandbox, kind=kind, when="after")
    with pytest.raises(aiohttp.ClientError):
        await _create(sandbox, "key-1")

    again = await _create(sandbox, "key-1")

    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await sandbox.state())["customers"] == 1


async def test_call_refused_by_a_fault_does_not_use_up_its_key(sandbox: Sandbox) -> None:
    await _fault(sandbox, kind="error")

    first = await _create(sandbox, "key-1")
    again = await _create(sandbox, "key-1")

    assert (first.status, again.status) == (500, 200)


async def test_key_in_use_is_a_conflict(sandbox: Sandbox) -> None:
    await _fault(sandbox, kind="slow", seconds=0.5)

    answers = await asyncio.gather(_create(sandbox, "key-1"), _create(sandbox, "key-1"))

    assert sorted(answer.status for answer in answers) == [200, 409]
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.json()["error"]["code"] == "idempotency_key_in_use"
    assert (await _create(sandbox, "key-1")).status == 200
    assert (await sandbox.state())["customers"] == 1


async def test_refusal_by_the_operation_is_repeated_under_its_key(shop: Shop) -> None:
    session_id = await shop.buy()
    headers = {**_KEY, "Idempotency-Key": "key-1"}
    path = f"/v1/checkout/sessions/{session_id}/expire"

    first = await shop.sandbox.ask("POST", path, headers=headers)
    again = await shop.sandbox.ask("POST", path, headers=headers)

    assert (first.status, again.status) == (400, 400)
    assert again.text == first.text
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_refusal_of_a_parameter_does_not_use_up_its_key(sandbox: Sandbox) -> None:
    refused = await _create(sandbox, "key-1", colour="red")

    assert refused.status == 400
    assert (await _create(sandbox, "key-1", name="Ann")).status == 200


async def test_key_is_new_again_after_a_day(shop: Shop) -> None:
    first = await _create(shop.sandbox, "key-1")
    shop.clock.move(hours=23)
    same = await _create(shop.sandbox, "key-1")
    shop.clock.move(hours=2)

    other = await _create(shop.sandbox, "key-1", name="Ann")

    assert same.json()["id"] == first.json()["id"]
    assert other.status == 200
    assert other.json()["id"] != first.json()["id"]
