"""`tollway serve` while Postgres is down: who needs no database is served, and the rest follows."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.outage import Outage, run_outage, visit
from tests.support.serving import LIMIT_S, Served, serve


@pytest.fixture
async def outage(tmp_path: Path, run: Path) -> AsyncIterator[Outage]:
    async with run_outage(tmp_path, run) as made:
        yield made


async def ready(served: Served) -> tuple[int, dict[str, Any]]:
    """Return the status of `/readyz`, and what it says is missing."""
    status, told = await served.ask("/readyz", "checkout")
    return status, json.loads(told)["missing"]


async def until_ready(served: Served) -> None:
    async with asyncio.timeout(LIMIT_S):
        while (await ready(served))[0] != 200:  # noqa: ASYNC110 - another process gets ready
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_who_needs_no_database_is_served_and_others_are_put_off(
    outage: Outage, workers: str
) -> None:
    await outage.stop()

    async with serve(outage.file, outage.environment, "--workers", workers) as served:
        statuses = [
            await visit(served, "ann", "/public/x"),
            await visit(served, "ann"),
            await visit(served, "ann", by="token"),
        ]
        alive, _ = await served.ask("/healthz", "checkout")
        status, missing = await ready(served)
        webhook, _ = await served.ask("/webhook", "checkout", data=b"{}")
        page, _ = await served.ask("/sign-in", "checkout")
        reload, told = await served.command("reload")

    assert statuses == [200, 503, 503]
    assert (alive, status, webhook, page) == (200, 503, 503, 503)
    # Workers say of themselves that they do not hear of changes either, within a second.
    assert missing.keys() - {"workers"} == {"postgres", "listener", "control"}
    assert missing["control"].startswith("cannot use database.url: ")
    assert missing["listener"].startswith("not hearing of changes since ")
    assert (reload, "waits for its database" in told) == (1, True)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_everything_is_there_once_postgres_answers_even_a_new_one(
    outage: Outage, workers: str
) -> None:
    await outage.stop()

    async with serve(outage.file, outage.environment, "--workers", workers) as served:
        refused = await visit(served, "ann", by="token")
        await outage.start()
        await served.until_told("control_ready")
        await until_ready(served)
        unpaid = await visit(served, "ann", by="token")
        await outage.pay("ann")
        paid = await visit(served, "ann")
        page, _ = await served.ask("/sign-in", "checkout")
        reload, _ = await served.command("reload")

    assert (refused, unpaid, paid) == (503, 402, 200)
    assert (page, reload) == (501, 0)
    assert served.told("control_waits")


async def test_database_that_is_not_there_is_told_again_and_again(outage: Outage) -> None:
    environment = outage.environment | {"DATABASE_URL": outage.url.replace("/tollway", "/wrong", 1)}

    async with serve(outage.file, environment) as served:
        told = [await served.until_told("control_waits", times) for times in (1, 2, 3)]
        public = await visit(served, "ann", "/public/x")
        unknown = await visit(served, "ann", by="token")

    assert (public, unknown) == (200, 503)
    assert all('database "wrong" does not exist' in line["why"] for line in told)


async def test_postgres_that_hangs_at_the_start_keeps_nobody_waiting_for_long(
    outage: Outage,
) -> None:
    os.kill(outage.postgres.pid, signal.SIGSTOP)
    try:
        async with serve(outage.file, outage.environment) as served:
            public = await visit(served, "ann", "/public/x")
            os.kill(outage.postgres.pid, signal.SIGCONT)
            await until_ready(served)
    finally:
        os.kill(outage.postgres.pid, signal.SIGCONT)

    assert public == 200


async def test_heir_is_refused_while_the_database_is_down_since_it_would_know_less(
    outage: Outage,
) -> None:
    async with serve(outage.file, outage.environment) as served:
        await outage.pay("ann")
        before = await visit(served, "ann")
        await outage.stop()

        code, told = await served.command("upgrade")
        after = await visit(served, "ann")

    assert (before, code, after) == (200, 1, 200)
    assert "cannot use database.url: " in told
