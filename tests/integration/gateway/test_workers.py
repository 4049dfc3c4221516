"""`tollway serve --workers 2`: whoever dies is replaced, and only what he held is lost."""

import asyncio
import json
import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.support.answers import Answers
from tests.support.certificates import Authority
from tests.support.leaks import until
from tests.support.product import command_of, is_alive, processes_below
from tests.support.raw import Peer
from tests.support.serving import (
    LIMIT_S,
    Backend,
    Served,
    environment_of,
    run_backend,
    serve,
    under_load,
    write_config,
)

HEADERS = {"Host": "notes.localhost"}
VISITORS = 8


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with run_backend("app") as running:
        yield running


@pytest.fixture
async def served(
    backend: Backend, tmp_path: Path, database_url: str, run: Path
) -> AsyncIterator[Served]:
    file = write_config(tmp_path / "tollway.yaml", backend.url)
    async with serve(file, environment_of(database_url, run), "--workers", "2") as running:
        yield running


def pid_of(served: Served, child: str) -> int:
    below = {pid: command_of(pid) for pid in processes_below(served.process.pid)}
    (found,) = [pid for pid, command in below.items() if f"gateway.child {child}" in command]
    return found


async def find_missing(served: Served) -> dict[str, str]:
    """Return what health says is missing."""
    _, told = await served.ask("/readyz", "checkout")
    missing: dict[str, str] = json.loads(told)["missing"]
    return missing


async def test_worker_that_is_killed_loses_what_it_held_and_nothing_else(served: Served) -> None:
    async with under_load(served.port, kept=VISITORS // 2, fresh=VISITORS // 2) as load:
        os.kill(pid_of(served, "worker-1"), signal.SIGKILL)
        await served.until_told("child_replaced")
        await load.go_on(200)

    # Each visitor had one request open at most, and half of them were the other worker's.
    assert sum(load.failures.values()) <= VISITORS
    assert set(load.failures) <= {"reset", "cut"}
    assert served.told("child_died")[0]["how"] == "worker-1 was killed by SIGKILL"


async def test_control_process_that_is_killed_is_not_noticed_by_visitors(served: Served) -> None:
    async with under_load(served.port) as load:
        os.kill(pid_of(served, "control"), signal.SIGKILL)
        await served.until_told("child_replaced")
        await load.go_on(200)
        ready, _ = await served.ask("/readyz", "checkout")

    assert load.failures == {}
    assert ready == 200


async def test_supervisor_that_is_killed_leaves_nobody_behind(served: Served) -> None:
    everybody = processes_below(served.process.pid)

    served.process.kill()
    await until(lambda: not any(map(is_alive, everybody)), limit_s=LIMIT_S)

    assert len(everybody) == 3


async def test_all_workers_change_over_at_a_reload(served: Served) -> None:
    url = f"http://127.0.0.1:{served.port}/public"
    async with (
        run_backend("second") as second,
        aiohttp.ClientSession(headers=HEADERS) as session,
        session.ws_connect(f"{url}/ws") as ws,
        under_load(served.port) as load,
    ):
        write_config(served.file, second.url)
        code, _ = await served.command("reload")
        await load.until(lambda seen: seen["200 second"] >= 50)
        before = load.seen["200 app"]
        await load.go_on(200)
        await ws.send_str("still here")
        echoed = (await ws.receive()).data

    assert code == 0
    assert load.failures == {}
    assert before == load.seen["200 app"]
    assert echoed == "still here"


async def test_configuration_that_one_process_refuses_changes_none(served: Served) -> None:
    # Only the control process knows what was published.
    text = served.file.read_text().replace("amount_minor: 500", "amount_minor: 900")
    served.file.write_text(text.replace("path: /public/", "path: /open/"))

    code, told = await served.command("reload")
    answers = [await served.ask("/public/name") for _ in range(6)]

    assert code == 1
    assert "was published with other contents" in told
    assert answers == [(200, "app")] * 6


async def test_replacement_serves_what_the_others_serve(served: Served) -> None:
    # Half edited, and nobody has asked for a reload.
    served.file.write_text("apps: [")

    os.kill(pid_of(served, "worker-1"), signal.SIGKILL)
    await served.until_told("child_replaced")
    answers = [await served.ask("/public/name") for _ in range(6)]

    assert answers == [(200, "app")] * 6


async def test_machine_without_room_for_a_process_ends_nobody(served: Served) -> None:
    supervisor = served.process.pid
    limits = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)

    # None beside those that it needs while it waits.
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (0, limits[1]))
    os.kill(pid_of(served, "worker-1"), signal.SIGKILL)
    again = await served.until_told("child_died", times=3)
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, limits)
    await served.until_told("child_replaced")
    answers = [await served.ask("/public/name") for _ in range(6)]

    assert "worker-1 cannot be started: " in again["why"]
    assert answers == [(200, "app")] * 6


async def test_worker_that_cannot_come_back_leaves_its_visitors_to_the_others(
    backend: Backend, tmp_path: Path, database_url: str, run: Path
) -> None:
    known = Authority(tmp_path).file
    file = write_config(tmp_path / "tollway.yaml", backend.url)
    file.write_text(
        f"{file.read_text()}  - {{id: wiki, name: Wiki, host: wiki.localhost, upstreams:"
        f" ['https://127.0.0.1:1'], tls: {{ca_file: {known}}},"
        " routes: [{path: /, access: public}]}\n"
    )
    async with serve(file, environment_of(database_url, run), "--workers", "2") as served:
        gone = known.rename(tmp_path / "elsewhere.pem")
        os.kill(pid_of(served, "worker-1"), signal.SIGKILL)
        again = await served.until_told("child_died", times=2)
        answers = [await served.ask("/public/name") for _ in range(20)]
        without = await find_missing(served)
        gone.rename(known)
        await served.until_told("child_replaced")
        async with asyncio.timeout(LIMIT_S):
            while await find_missing(served):  # noqa: ASYNC110 - the new one says that it runs
                await asyncio.sleep(0.05)

    assert answers == [(200, "app")] * 20
    assert without == {"workers": "worker-1: process: does not run"}
    assert again["why"].startswith("the servers of app 'wiki' cannot be used: ")


async def test_stop_lets_what_runs_end_and_tells_websockets(
    served: Served, backend: Backend
) -> None:
    everybody = processes_below(served.process.pid)
    url = f"http://127.0.0.1:{served.port}/public"
    async with (
        aiohttp.ClientSession(headers=HEADERS) as session,
        session.ws_connect(f"{url}/ws") as ws,
    ):
        held = [asyncio.create_task(served.ask("/public/hold")) for _ in range(6)]
        for _ in held:
            await backend.waiting.acquire()
        ending = asyncio.create_task(served.end())
        said = await ws.receive()
        backend.held.set()
        answers = await asyncio.gather(*held)
    code = await ending

    assert (said.type, said.data) == (aiohttp.WSMsgType.CLOSE, 1001)
    assert answers == [(200, "app")] * 6
    assert code == 0
    assert not [pid for pid in everybody if is_alive(pid)]


async def test_signal_that_reaches_every_process_is_one_signal(
    served: Served, backend: Backend
) -> None:
    # As systemd sends it. Asked over bare connections: a client would ask again if it was cut.
    asking = [Peer(*await asyncio.open_connection("127.0.0.1", served.port)) for _ in range(6)]
    for peer in asking:
        await peer.send(b"GET /public/hold HTTP/1.1\r\nHost: notes.localhost\r\n\r\n")
        await backend.waiting.acquire()

    for pid in processes_below(served.process.pid):
        os.kill(pid, signal.SIGTERM)
    served.process.send_signal(signal.SIGTERM)
    await served.until_told("stopping", times=2)
    backend.held.set()
    answers = [await Answers(peer).next() for peer in asking]
    for peer in asking:
        await peer.close()

    assert [(answer.status, answer.body) for answer in answers] == [(200, b"app")] * 6
    assert await served.gone() == 0


async def test_second_signal_cuts(served: Served, backend: Backend) -> None:
    held = asyncio.create_task(served.ask("/public/hold"))
    await backend.waiting.acquire()

    served.process.send_signal(signal.SIGTERM)
    await served.until_told("stopping")
    code = await served.end()

    with pytest.raises(aiohttp.ClientError):
        await held
    assert code == 0


async def test_reason_of_a_process_that_cannot_start_is_one_line(
    backend: Backend, tmp_path: Path, database_url: str, run: Path
) -> None:
    file = write_config(tmp_path / "tollway.yaml", backend.url)
    connection = await asyncpg.connect(database_url)
    await connection.execute("insert into schema_migrations values ('9999_later.sql', '')")
    await connection.close()

    with pytest.raises(AssertionError) as failed:
        async with serve(file, environment_of(database_url, run), "--workers", "2"):
            pass

    (line,) = str(failed.value).split("{'event': ")[1:]
    assert line.startswith("'tollway: the database cannot be brought up to date: ")
