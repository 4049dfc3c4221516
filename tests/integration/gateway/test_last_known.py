"""`tollway serve` that starts while Postgres is down serves who is known to have paid."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from tests.support.outage import Outage, run_outage, visit
from tests.support.serving import LIMIT_S, Served, serve

NAMES = ("ann", "bea", "cid")
OFTEN = "entitlements: {last_known: {every_s: 0.1}}"


@pytest.fixture
async def outage(tmp_path: Path, run: Path) -> AsyncIterator[Outage]:
    async with run_outage(tmp_path, run, OFTEN) as made:
        yield made


def files_of(outage: Outage) -> list[Path]:
    return sorted(outage.run.glob("*/last-known/*"))


async def until_written(outage: Outage, *, workers: int = 1) -> None:
    """Wait until every process has written what it knows by now."""
    begun_ns = time.time_ns()
    async with asyncio.timeout(LIMIT_S):
        while True:
            # The first that is seen may have been begun before.
            files = [path for path in files_of(outage) if path.stat().st_mtime_ns > begun_ns]
            if len(files) >= workers:
                break
            await asyncio.sleep(0.05)


async def meet(outage: Outage, *arguments: str, until: timedelta = timedelta(hours=1)) -> None:
    """Serve for as long as it takes to know three who have paid."""
    async with serve(outage.file, outage.environment, *arguments) as served:
        for name in NAMES:
            await outage.pay(name, until=until)
            assert await visit(served, name) == 200
            assert await visit(served, name, by="token") == 200


async def test_who_has_paid_is_served_and_nobody_else(outage: Outage) -> None:
    await meet(outage)
    await outage.stop()

    async with serve(outage.file, outage.environment) as served:
        by_session = [await visit(served, name) for name in (*NAMES, "dan")]
        by_token = [await visit(served, name, by="token") for name in (*NAMES, "dan")]
        policies = [await visit(served, "ann", f"/{p}/") for p in ("closed", "insecure_open")]
        _, told = await served.ask("/readyz", "checkout")

    assert by_session == [200, 200, 200, 503]
    assert by_token == [200, 200, 200, 503]
    assert policies == [503, 200]
    assert json.loads(told)["missing"]["last_known"].startswith("clients are served by what was")


async def test_what_was_decided_without_facts_is_counted_for_all_workers(outage: Outage) -> None:
    await meet(outage, "--workers", "2")
    await outage.stop()

    async with serve(outage.file, outage.environment, "--workers", "2") as served:
        for _ in range(4):
            for path in ("/", "/closed/", "/insecure_open/"):
                await visit(served, "ann", path)
        await outage.start()
        await served.until_told("control_ready")
        shown = await scrape(served)

    assert {line for line in shown if line.startswith(("tollway_let", "tollway_paid"))} == {
        'tollway_let_through_unverified_total{app="notes",reason="last_known_grant"} 4.0',
        'tollway_let_through_unverified_total{app="notes",reason="let_through_unverified"} 4.0',
        'tollway_paid_but_refused_total{app="notes"} 4.0',
    }


async def scrape(served: Served) -> list[str]:
    code, token = await served.command("token", "--role", "admin", "--scope", "metrics:read")
    assert code == 0, token
    headers = {
        "Host": "checkout.localhost",
        "Authorization": f"Bearer {token.strip().splitlines()[-1]}",
    }
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"http://127.0.0.1:{served.port}/metrics") as answer,
    ):
        assert answer.status == 200
        return (await answer.text()).splitlines()


async def test_any_worker_knows_what_one_of_them_knew_that_was_killed(outage: Outage) -> None:
    async with serve(outage.file, outage.environment, "--workers", "2") as served:
        for name in NAMES:
            await outage.pay(name)
            assert await visit(served, name) == 200
        await until_written(outage, workers=2)
        await until_written(outage, workers=2)
        await outage.stop()
        os.killpg(served.process.pid, signal.SIGKILL)
        await served.gone()

    async with serve(outage.file, outage.environment, "--workers", "2") as served:
        answers = [await visit(served, name) for name in NAMES * 4]

    assert answers == [200] * 12


async def test_grant_that_ends_meanwhile_ends(outage: Outage) -> None:
    await meet(outage, until=timedelta(seconds=4))
    await outage.stop()

    async with serve(outage.file, outage.environment) as served:
        async with asyncio.timeout(LIMIT_S):
            while await visit(served, "ann") == 200:  # noqa: ASYNC110 - time itself is waited for
                await asyncio.sleep(0.1)
        ended = await visit(served, "ann")

    assert ended == 503


async def test_lease_is_not_made_longer_by_starts_in_a_row(outage: Outage) -> None:
    outage.file.write_text(outage.file.read_text().replace("every_s: 0.1", "lease_s: 12"))
    await meet(outage)
    await outage.stop()
    known_at = time.monotonic()

    answers = []
    while time.monotonic() - known_at < 13:
        async with serve(outage.file, outage.environment) as served:
            answers.append(await visit(served, "ann"))

    assert answers[0] == 200
    assert answers[-1] == 503


async def test_one_good_look_replaces_what_was_written_down(outage: Outage) -> None:
    await meet(outage)
    async with outage.database() as database, database.connection() as connection:
        await connection.execute("update grants set revoked_at = now()")
        await connection.execute("update entitlement_versions set version = version + 1")

    async with serve(outage.file, outage.environment) as served:
        up = await visit(served, "ann")
        await outage.stop()
        down = await visit(served, "ann", "/closed/")

    assert (up, down) == (402, 402)


async def test_blocks_are_written_down_too(outage: Outage) -> None:
    async with serve(outage.file, outage.environment) as served:
        client_id = await outage.pay("ann")
        async with outage.database() as database, database.connection() as connection:
            await connection.execute(
                "insert into blocks (client_id, service, from_at, reason, actor)"
                " values ($1, 'fraud', now() - interval '1 hour', 'stolen card', 'test')",
                client_id,
            )
        barred = await visit(served, "ann")
    await outage.stop()

    async with serve(outage.file, outage.environment) as served:
        answer = await visit(served, "ann")

    assert (barred, answer) == (403, 503)


def tamper(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def forge(path: Path) -> None:
    path.write_bytes(b"tollway last known 1\n" + b"\0" * 64)


@pytest.mark.parametrize("harm", [tamper, empty, forge])
async def test_file_that_is_not_as_it_was_written_opens_nothing(
    outage: Outage, harm: Callable[[Path], None]
) -> None:
    await meet(outage)
    await outage.stop()
    (file,) = files_of(outage)
    harm(file)

    async with serve(outage.file, outage.environment) as served:
        refused = served.told("last_known_refused")
        answers = [await visit(served, "ann"), await visit(served, "ann", "/public/x")]

    assert [line["path"] for line in refused] == [str(file)]
    assert answers == [503, 200]


async def test_file_signed_with_another_secret_is_refused(outage: Outage) -> None:
    await meet(outage)
    await outage.stop()

    async with serve(outage.file, outage.environment | {"SIGNING_KEY": "o" * 32}) as served:
        (refused,) = served.told("last_known_refused")

    assert refused["why"].endswith("signed with another secret")


async def test_nothing_is_written_with_a_lease_of_nothing(outage: Outage) -> None:
    outage.file.write_text(outage.file.read_text().replace("every_s: 0.1", "lease_s: 0"))

    await meet(outage)

    assert files_of(outage) == []


async def test_folder_that_cannot_be_written_to_is_told_and_stops_nobody(
    outage: Outage, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    there = f"every_s: 0.1, folder: {tmp_path}/taken"
    outage.file.write_text(outage.file.read_text().replace("every_s: 0.1", there))

    async with serve(outage.file, outage.environment) as served:
        await served.until_told("last_known_not_written", times=2)
        public = await visit(served, "ann", "/public/x")

    assert public == 200
