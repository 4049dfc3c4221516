"""`tollway reconcile`: what differs is shown before it is written, and written once."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from billing.storage.clients import get_or_create_client, link_customer
from billing.storage.pool import Database
from tests.support.commands import Operator

DAY_S = 86_400
NOW_S = int(time.time())


def subscription() -> dict[str, Any]:
    """Return a subscription in its trial, as Stripe writes it."""
    item = {
        "id": "si_1",
        "price": {"id": "price_reader"},
        "quantity": 1,
        "current_period_start": NOW_S - DAY_S,
        "current_period_end": NOW_S + 20 * DAY_S,
    }
    return {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "livemode": False,
        "status": "trialing",
        "created": NOW_S - DAY_S,
        "start_date": NOW_S - DAY_S,
        "trial_end": NOW_S + 20 * DAY_S,
        "items": {"object": "list", "data": [item]},
        "metadata": {},
        "latest_invoice": None,
    }


@pytest.fixture
async def stripe() -> AsyncIterator[TestServer]:
    async def list_all(_request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [subscription()], "has_more": False})

    async def retrieve(_request: web.Request) -> web.Response:
        return web.json_response(subscription())

    async def list_no_invoice(_request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [], "has_more": False})

    app = web.Application()
    app.add_routes(
        [
            web.get("/v1/subscriptions", list_all),
            web.get("/v1/subscriptions/sub_1", retrieve),
            web.get("/v1/invoices", list_no_invoice),
        ]
    )
    server = TestServer(app)
    async with server:
        yield server


@pytest.fixture
async def client(operator: Operator, stripe: TestServer, database: Database) -> str:
    """Let ann be a customer whose subscription we have not heard of."""
    text = operator.file.read_text()
    account = "  stripe:\n"
    operator.file.write_text(
        text.replace(account, f"{account}    api_url: {stripe.make_url('')}\n")
    )
    async with database.transaction() as connection:
        # Sold before: a command publishes no plan.
        await connection.execute(
            "insert into plans values ('reader', 1, 'Reader', '', 500, 'eur', 'month', 7);"
            "insert into plan_features values ('reader', 1, 'notes', 'access', 'true');"
            "insert into price_map values ('stripe', false, 'price_reader', 'reader', 1)"
        )
        client_id = await get_or_create_client(connection, "ann")
        await link_customer(connection, "stripe", "cus_1", client_id, livemode=False)
    return client_id


async def rows(database: Database) -> tuple[int, int, int]:
    async with database.connection() as connection:
        return (
            await connection.fetchval("select count(*) from subscriptions"),
            await connection.fetchval("select count(*) from grants"),
            await connection.fetchval("select count(*) from audit"),
        )


async def test_a_dry_run_shows_the_difference_and_writes_nothing(
    operator: Operator, client: str, database: Database
) -> None:
    looked = await operator.give("reconcile", "--client", "ann", "--dry-run")
    as_json = await operator.give("reconcile", "--client", client, "--dry-run", "--json")

    assert looked.code == as_json.code == 3, looked.err
    assert "sub_1" in looked.out
    told = {line["field"]: line for line in map(json.loads, as_json.out.splitlines())}
    assert told["subscription sub_1 status"]["ours"] is None
    assert told["subscription sub_1 status"]["theirs"] == "trialing"
    assert await rows(database) == (0, 0, 0)


async def test_what_was_shown_is_written_and_then_nothing_differs(
    operator: Operator, client: str, database: Database
) -> None:
    written = await operator.give("reconcile", "--all", "--yes")
    again = await operator.give("reconcile", "--all", "--dry-run")

    assert written.code == 0, written.err
    assert again.code == 0, again.out
    assert again.out == "nothing differs\n"
    subscriptions, grants, _ = await rows(database)
    assert (subscriptions, grants) == (1, 1)
    async with database.connection() as connection:
        actors = await connection.fetch("select distinct actor from audit")
    assert [row["actor"] for row in actors] == ["operator:ann"]


async def test_where_nobody_can_be_asked_nothing_is_written(
    operator: Operator, client: str, database: Database
) -> None:
    ended = await operator.give("reconcile", "--client", "ann")

    assert ended.code == 1
    assert "--yes" in ended.err
    assert await rows(database) == (0, 0, 0)


async def test_a_provider_that_does_not_answer_is_one_line(
    operator: Operator, client: str, stripe: TestServer
) -> None:
    await stripe.close()

    ended = await operator.give("reconcile", "--client", "ann", "--dry-run")

    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1, ended.err
