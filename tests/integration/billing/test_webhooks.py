"""Webhooks: one row an event, and the object read again, whatever the event said."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from billing.metrics import NoMeter
from billing.storage.clients import get_or_create_client, link_customer
from billing.webhooks.endpoint import Account, WebhookEndpoint
from billing.webhooks.worker import InboxWorker
from policies.decision import Outcome
from policies.model import SubscriptionStatus
from tests.integration.billing.conftest import Shop, make_worker
from tests.support.provider import sign

Http = TestClient[web.Request, web.Application]


def event(number: int, kind: str | None = "checkout", object_id: str = "cs_1") -> bytes:
    facts = {"id": f"evt_{number}", "type": "some.event", "kind": kind, "object": object_id}
    return json.dumps(facts).encode()


@pytest.fixture
async def http(shop: Shop) -> AsyncIterator[Http]:
    account = Account(shop.provider, shop.inbox, shop.processor)
    endpoint = WebhookEndpoint(
        {"memory": account}, shop.clock, NoMeter(), default="memory", body_limit_bytes=1000
    )
    app = web.Application()
    app.add_routes(endpoint.routes())
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.fixture
def worker(shop: Shop) -> InboxWorker:
    return make_worker(shop)


async def post(http: Http, body: bytes, signature: str | None = None) -> int:
    headers = {"Stripe-Signature": sign(body) if signature is None else signature}
    async with http.post("/webhook", data=body, headers=headers) as answer:
        return answer.status


async def states(shop: Shop) -> list[str]:
    async with shop.database.connection() as connection:
        rows = await connection.fetch("select state from psp_inbox order by id")
    return [row["state"] for row in rows]


async def test_event_opens_the_door_without_the_return_page(
    shop: Shop, http: Http, worker: InboxWorker
) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)

    status = await post(http, event(1, "subscription", f"sub_{session_id}"))
    worked = await worker.process_one()

    assert status == 200
    assert worked
    assert await shop.outcome() is Outcome.ALLOW
    assert await states(shop) == ["done"]


async def test_same_event_again_is_one_row(shop: Shop, http: Http) -> None:
    body = event(1, "subscription", "sub_1")

    answers = await asyncio.gather(*(post(http, body) for _ in range(5)))

    assert answers == [200] * 5
    assert await states(shop) == ["received"]


async def test_forged_event_leaves_no_trace(shop: Shop, http: Http) -> None:
    assert await post(http, event(1), signature="0" * 64) == 400
    assert await states(shop) == []


async def test_oversized_event_is_refused(shop: Shop, http: Http) -> None:
    assert await post(http, b"x" * 1001) == 413
    assert await states(shop) == []


async def test_event_that_cannot_be_stored_is_asked_for_again(shop: Shop, http: Http) -> None:
    await shop.database.close()

    assert await post(http, event(1)) == 503


async def test_unknown_provider_is_not_found(http: Http) -> None:
    async with http.post("/webhook/nobody", data=b"{}") as answer:
        assert answer.status == 404


async def test_event_about_nothing_of_ours_is_kept_and_ignored(
    shop: Shop, http: Http, worker: InboxWorker
) -> None:
    await post(http, event(1, kind=None))

    await worker.process_one()

    assert await states(shop) == ["ignored"]


async def test_event_waits_while_the_provider_is_down_and_is_applied_after(
    shop: Shop, http: Http, worker: InboxWorker
) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)
    shop.provider.is_down = True

    await post(http, event(1, object_id=session_id))
    waiting = await states(shop)
    shop.provider.is_down = False
    shop.clock.move(seconds=2)
    await worker.process_one()

    assert waiting == ["failed"]
    assert await states(shop) == ["done"]
    assert await shop.outcome() is Outcome.ALLOW


async def test_event_that_never_succeeds_becomes_a_dead_letter(
    shop: Shop, http: Http, worker: InboxWorker
) -> None:
    session_id = await shop.open_checkout()
    shop.provider.is_garbled = True
    await post(http, event(1, object_id=session_id))

    for _ in range(3):
        await worker.process_one()
        shop.clock.move(hours=2)

    assert await states(shop) == ["dead"]
    assert not await worker.process_one()


async def test_outage_of_days_kills_no_event(shop: Shop, http: Http, worker: InboxWorker) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)
    shop.provider.is_down = True
    await post(http, event(1, object_id=session_id))

    for _ in range(40):
        await worker.process_one()
        shop.clock.move(hours=2)
    shop.provider.is_down = False
    await worker.process_one()

    assert await states(shop) == ["done"]
    assert await shop.outcome("notes") is not Outcome.UNAVAILABLE


async def test_event_of_a_worker_that_died_is_claimed_again_after_its_lease(
    shop: Shop, http: Http, worker: InboxWorker
) -> None:
    await post(http, event(1, "subscription", "sub_1"))
    claimed = await shop.inbox.claim(shop.clock(), timedelta(seconds=60))

    while_leased = await worker.process_one()
    shop.clock.move(seconds=61)
    afterwards = await worker.process_one()

    assert claimed is not None
    assert (while_leased, afterwards) == (False, True)


async def test_old_event_cannot_bring_back_an_older_state(
    shop: Shop, http: Http, worker: InboxWorker
) -> None:
    session_id = await shop.buy()
    sub_id = f"sub_{session_id}"
    shop.provider.change(sub_id, status=SubscriptionStatus.ENDED, ended_at=shop.clock())
    await post(http, event(1, "subscription", sub_id))
    await worker.process_one()

    await post(http, event(2, "checkout", session_id))
    await worker.process_one()

    assert await shop.outcome() is Outcome.PAY


async def test_renewal_is_read_from_the_provider(
    shop: Shop, http: Http, worker: InboxWorker
) -> None:
    session_id = await shop.buy()
    sub_id = f"sub_{session_id}"
    shop.clock.move(days=31)
    lapsed = await shop.outcome()
    later = shop.clock() + timedelta(days=30)
    shop.provider.change(sub_id, status=SubscriptionStatus.ACTIVE, period_end=later)

    await post(http, event(1, "subscription", sub_id))
    await worker.process_one()

    assert lapsed is Outcome.PAY
    assert await shop.outcome() is Outcome.ALLOW


async def test_audit_tells_every_change_and_cannot_be_rewritten(shop: Shop) -> None:
    import asyncpg  # noqa: PLC0415 - its error is what is expected

    await shop.buy()
    async with shop.database.connection() as connection:
        actions = await connection.fetch("select action, client_id::text from audit order by seq")
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await connection.execute("update audit set actor = 'nobody'")

    assert [row["action"] for row in actions] == [
        "checkout.paid",
        "subscription.found",
        "payment.paid",
    ]
    assert {row["client_id"] for row in actions} == {shop.client_id}


async def test_event_whose_object_cannot_be_read_waits_and_is_not_dropped(
    shop: Shop, http: Http, worker: InboxWorker
) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)
    shop.provider.is_garbled = True

    await post(http, event(1, object_id=session_id))
    waiting = await states(shop)
    shop.provider.is_garbled = False
    shop.clock.move(seconds=2)
    await worker.process_one()

    assert waiting == ["failed"]
    assert await shop.outcome() is Outcome.ALLOW


async def test_event_about_an_object_that_is_not_there_is_ignored(
    shop: Shop, http: Http, worker: InboxWorker
) -> None:
    await post(http, event(1, object_id="cs_unknown"))

    await worker.process_one()

    assert await states(shop) == ["ignored"]


async def test_client_on_whose_behalf_we_sold_is_let_in_whoever_else_the_customer_is(
    shop: Shop, http: Http, worker: InboxWorker
) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)
    async with shop.database.transaction() as connection:
        other = await get_or_create_client(connection, "demo:other")
        await link_customer(connection, "memory", f"cus_{shop.client_id}", other, livemode=False)

    await post(http, event(1, object_id=session_id))
    await worker.process_one()

    assert await shop.outcome() is Outcome.ALLOW


async def test_paid_checkout_opens_the_door_before_its_webhook_is_answered(
    shop: Shop, http: Http
) -> None:
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)

    assert await post(http, event(1, object_id=session_id)) == 200
    assert await states(shop) == ["done"]
    assert await shop.outcome() is Outcome.ALLOW


async def test_slow_provider_delays_no_answer_and_the_worker_goes_on(
    shop: Shop, worker: InboxWorker
) -> None:
    account = Account(shop.provider, shop.inbox, shop.processor)
    endpoint = WebhookEndpoint(
        {"memory": account},
        shop.clock,
        NoMeter(),
        default="memory",
        body_limit_bytes=1000,
        at_once_s=0.01,
    )
    app = web.Application()
    app.add_routes(endpoint.routes())
    session_id = await shop.open_checkout()
    shop.provider.pay(session_id)

    async with TestClient(TestServer(app)) as client:
        async with shop.provider.held():
            status = await post(client, event(1, object_id=session_id))
            waiting = await states(shop)
        worked = await worker.process_one()

    assert (status, waiting, worked) == (200, ["received"], True)
    assert await shop.outcome() is Outcome.ALLOW


async def test_event_of_another_version_is_counted_and_applied(shop: Shop) -> None:
    counted = []

    class Versions(NoMeter):
        def other_version(self) -> None:
            counted.append(1)

    account = Account(shop.provider, shop.inbox, shop.processor)
    endpoint = WebhookEndpoint(
        {"memory": account}, shop.clock, Versions(), default="memory", body_limit_bytes=1000
    )
    app = web.Application()
    app.add_routes(endpoint.routes())
    facts = {"type": "some.event", "kind": "subscription", "object": "sub_1"}
    old, ours = (
        json.dumps(facts | {"id": f"evt_{version}", "api_version": version}).encode()
        for version in ("0", "1")
    )

    async with TestClient(TestServer(app)) as client:
        await post(client, old)
        await post(client, ours)

    assert len(counted) == 1
    assert await states(shop) == ["received", "received"]
