"""A configuration that changes while the gateway runs: let in whole, or refused whole."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.certificates import Authority, Pair
from tests.support.serving import (
    Backend,
    Served,
    environment_of,
    run_backend,
    serve,
    under_load,
    write_config,
)

HEADERS = {"Host": "notes.localhost"}


@pytest.fixture
async def first() -> AsyncIterator[Backend]:
    async with run_backend("first") as backend:
        yield backend


@pytest.fixture
async def second() -> AsyncIterator[Backend]:
    async with run_backend("second") as backend:
        yield backend


@pytest.fixture
def file(tmp_path: Path, first: Backend) -> Path:
    return write_config(tmp_path / "tollway.yaml", first.url)


@pytest.fixture
async def served(file: Path, database_url: str, run: Path) -> AsyncIterator[Served]:
    async with serve(file, environment_of(database_url, run)) as running:
        yield running


async def test_requests_change_over_and_streams_live_on(
    served: Served, first: Backend, second: Backend
) -> None:
    url = f"http://127.0.0.1:{served.port}/public"
    async with (
        aiohttp.ClientSession(headers=HEADERS) as session,
        session.get(f"{url}/stream") as stream,
        session.ws_connect(f"{url}/ws") as ws,
        under_load(served.port) as load,
    ):
        write_config(served.file, second.url)
        code, told = await served.command("reload")
        await load.until(lambda seen: seen["200 second"] >= 50)
        before = load.seen["200 first"]
        await load.go_on()

        await ws.send_str("still here")
        echoed = (await ws.receive()).data
        first.ticks.put_nowait("still here")
        streamed = await stream.content.readline()
        first.ticks.put_nowait("end")

    assert (code, told) == (0, f"reloaded: {served.file}: 1 apps, 1 plans\n")
    assert load.failures == {}
    assert before == load.seen["200 first"]
    assert (echoed, streamed) == ("still here", b"data: still here\n")


async def test_app_whose_servers_stay_keeps_its_connections(served: Served, first: Backend) -> None:
    text = served.file.read_text()
    served.file.write_text(text.replace("name: Notes", "name: Notebook"))

    await served.ask("/public/name")
    await served.command("reload")
    await served.ask("/public/name")

    assert len(first.peers) == 1


async def test_pages_of_the_gateway_follow_too(served: Served) -> None:
    text = served.file.read_text()
    served.file.write_text(text.replace("billing:", "billing:\n  webhook_body_limit_bytes: 1024"))

    before, _ = await served.ask("/webhook", "checkout", data=bytes(2000))
    await served.command("reload")
    after, _ = await served.ask("/webhook", "checkout", data=bytes(2000))

    assert (before, after) == (400, 413)


async def test_faults_are_told_as_check_config_tells_them_and_change_nothing(
    served: Served,
) -> None:
    good = served.file.read_text()
    served.file.write_text(good.replace("access: public", "access: pubic") + "surplus: 1\n")

    reloaded = await served.command("reload")
    served.process.send_signal(signal.SIGHUP)
    logged = await served.until_told("reload_refused", times=2)
    checked = await served.command("check-config")
    answer = await served.ask("/public/name")

    assert reloaded == checked
    assert reloaded[0] == 1
    assert "did you mean 'public'?" in reloaded[1]
    assert logged["why"] == reloaded[1].rstrip("\n")
    assert answer == (200, "first")


async def test_what_cannot_change_while_we_run_is_named(served: Served) -> None:
    text = served.file.read_text()
    served.file.write_text(
        text.replace("public: {", "entitlements: {memory_ttl_s: 1}\npublic: {").replace(
            "address: 127.0.0.1", "address: 127.0.0.2"
        )
    )

    code, told = await served.command("reload")
    answer = await served.ask("/public/name")

    assert code == 1
    assert told.startswith("tollway: listen, entitlements.memory_ttl_s cannot change while")
    assert "tollway upgrade" in told
    assert answer == (200, "first")


def secure(file: Path, pair: Pair) -> None:
    tls = f"tls: {{certificate: {pair.certificate}, key: {pair.key}}}"
    text = file.read_text().replace("port: 0}", f"port: 0, {tls}}}")
    file.write_text(text.replace("scheme: http,", "scheme: https,"))


async def test_certificate_that_cannot_be_used_refuses_the_whole(
    file: Path, database_url: str, run: Path, tmp_path: Path
) -> None:
    pair = Authority(tmp_path).issue("notes.localhost")
    secure(file, pair)
    async with serve(file, environment_of(database_url, run)) as served:
        pair.certificate.write_text("half a fi")

        code, told = await served.command("reload")

    assert code == 1
    assert f"{pair.certificate}: there is no certificate in it" in told


async def test_plan_that_was_published_otherwise_is_refused(
    served: Served, second: Backend
) -> None:
    write_config(served.file, second.url)
    text = served.file.read_text()
    served.file.write_text(text.replace("amount_minor: 500", "amount_minor: 900"))

    code, told = await served.command("reload")
    answer = await served.ask("/public/name")

    assert code == 1
    assert "plan 'reader' version 1 was published with other contents" in told
    assert answer == (200, "first")


async def test_hangup_reloads(served: Served, second: Backend) -> None:
    write_config(served.file, second.url)

    served.process.send_signal(signal.SIGHUP)
    await served.until_told("reloaded")

    assert await served.ask("/public/name") == (200, "second")


async def test_nobody_to_reload_is_one_line(served: Served) -> None:
    await served.end()

    code, told = await served.command("reload")

    assert code == 1
    assert told.startswith(f"tollway: no `tollway serve -c {served.file}` of this user is running")
    assert told.count("\n") == 1
