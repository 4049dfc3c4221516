"""`tollway serve`, `worker` and `migrate`: processes of their own on somebody else's servers."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from tests.support.certificates import Authority, Pair
from tests.support.keys import DATA_KEY
from tests.support.product import ROOT
from tests.support.servers import Servers

WEBHOOK_SECRET = "whsec_serve"
LIMIT_S = 30.0

CONFIG = """
listen: {{address: 127.0.0.1, port: 0}}
public: {{scheme: http, host: checkout.localhost}}
database: {{url: "${{DATABASE_URL}}"}}
redis: {{url: "${{REDIS_URL}}"}}
secrets: {{signing_key: "${{SIGNING_KEY}}"}}
encryption: {{keys: ["${{DATA_KEY}}"]}}
billing:
  stripe:
    secret_key: ${{STRIPE_KEY}}
    webhook_secrets: ["${{WEBHOOK_SECRET}}"]
plans:
  - id: reader
    version: 1
    name: Reader
    description: Reads.
    price: {{amount_minor: 500, currency: eur, interval: month}}
    stripe_price: price_reader
    apps:
      notes: {{access: true}}
apps:
  - id: notes
    name: Notes
    description: Quick notes.
    host: notes.localhost
    upstreams: ["{upstream}"]
    routes:
      - {{path: /public/, access: public}}
      - {{path: /, access: entitled}}
"""


@dataclass
class Serving:
    """A running `tollway serve`."""

    process: Process
    port: int

    async def ask(
        self,
        host: str,
        path: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        data: bytes | dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """Ask and return status and body."""
        sent = {"Host": f"{host}.localhost", "Accept": "text/html", **(headers or {})}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method,
                f"http://127.0.0.1:{self.port}{path}",
                headers=sent,
                data=data,
                allow_redirects=False,
            ) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def upstream() -> AsyncIterator[str]:
    async def tell(_request: web.Request) -> web.Response:
        return web.Response(text="from the app")

    app = web.Application()
    app.router.add_get("/{path:.*}", tell)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.fixture
def config_file(tmp_path: Path, upstream: str) -> Path:
    file = tmp_path / "tollway.yaml"
    file.write_text(CONFIG.format(upstream=upstream))
    return file


@pytest.fixture
def environment(database_url: str, run: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database_url,
        "REDIS_URL": "none",
        "TOLLWAY_RUN": str(run),
        "SIGNING_KEY": "k" * 32,
        "DATA_KEY": DATA_KEY,
        "STRIPE_KEY": "sk_test_serve",
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


def change_port(file: Path, port: int) -> None:
    file.write_text(file.read_text().replace("port: 0", f"port: {port}"))


def secure(file: Path, pair: Pair) -> None:
    tls = f"tls: {{certificate: {pair.certificate}, key: {pair.key}}}"
    text = file.read_text().replace("port: 0}", f"port: 0, {tls}}}")
    file.write_text(text.replace("scheme: http,", "scheme: https,"))


async def start(command: str, file: Path, environment: dict[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "gateway", command, "-c", str(file)),
        env=environment,
        stdout=PIPE,
        stderr=STDOUT,
    )


async def finish(process: Process) -> tuple[int, str]:
    async with asyncio.timeout(LIMIT_S):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@asynccontextmanager
async def serving(file: Path, environment: dict[str, str]) -> AsyncIterator[Serving]:
    process = await start("serve", file, environment)
    try:
        yield Serving(process, await _read_port(process))
    finally:
        if process.returncode is None:
            process.terminate()
        await finish(process)


async def _read_port(process: Process) -> int:
    assert process.stdout is not None
    seen = b""
    async with asyncio.timeout(LIMIT_S):
        async for line in process.stdout:
            seen += line
            if b'"serving"' in line:
                return int(json.loads(line)["port"])
    raise AssertionError(seen.decode())


def signed(event_id: str) -> tuple[bytes, dict[str, str]]:
    """Return a webhook's body and fields, signed as Stripe signs."""
    now_s = int(time.time())
    event = {
        "id": event_id,
        "object": "event",
        "type": "customer.created",
        "livemode": False,
        "created": now_s,
        "data": {"object": {"id": "cus_1"}},
    }
    body = json.dumps(event).encode()
    mac = hmac.new(WEBHOOK_SECRET.encode(), f"{now_s}.".encode() + body, hashlib.sha256)
    return body, {"Stripe-Signature": f"t={now_s},v1={mac.hexdigest()}"}


async def test_serves_without_redis_and_without_any_part_of_the_demonstration(
    config_file: Path, environment: dict[str, str]
) -> None:
    async with serving(config_file, environment) as gateway:
        public = await gateway.ask("notes", "/public/x")
        closed, _ = await gateway.ask("notes", "/", headers={"Accept": "*/*"})
        sign_in, page = await gateway.ask("checkout", "/sign-in")
        posted, _ = await gateway.ask("checkout", "/sign-in", method="POST", data={"name": "ann"})
        ready, told = await gateway.ask("checkout", "/readyz")

    assert public == (200, "from the app")
    assert (closed, sign_in, posted, ready) == (401, 501, 404, 200)
    assert "Demonstration" not in page
    assert json.loads(told)["missing"] == {}


async def test_signed_event_is_taken_once_and_a_forged_one_never(
    config_file: Path, environment: dict[str, str], database_url: str
) -> None:
    body, fields = signed("evt_1")
    async with serving(config_file, environment) as gateway:
        answers = [
            await gateway.ask("checkout", "/webhook", method="POST", data=sent, headers=fields)
            for sent in (body, body, body + b" ")
        ]

    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("select external_id from psp_inbox")
    await connection.close()
    assert [status for status, _ in answers] == [200, 200, 400]
    assert [row["external_id"] for row in rows] == ["evt_1"]


async def test_serves_with_redis_and_ends_by_itself_when_asked(
    config_file: Path, environment: dict[str, str], servers: Servers
) -> None:
    async with serving(config_file, environment | {"REDIS_URL": servers.valkey}) as gateway:
        ready, told = await gateway.ask("checkout", "/readyz")
        gateway.process.send_signal(signal.SIGTERM)
        code, _ = await finish(gateway.process)

    assert (ready, json.loads(told)["ready"]) == (200, True)
    assert code == 0


async def test_redis_that_does_not_answer_is_told_and_stops_nobody(
    config_file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    nowhere = f"unix://{tmp_path}/nowhere.sock"

    async with serving(config_file, environment | {"REDIS_URL": nowhere}) as gateway:
        status, _ = await gateway.ask("notes", "/public/x")
        _, told = await gateway.ask("checkout", "/readyz")

    assert status == 200
    assert list(json.loads(told)["missing"]) == ["redis"]


async def test_migrate_brings_the_schema_tells_it_and_ends(
    config_file: Path, environment: dict[str, str], bare_database_url: str
) -> None:
    bare = environment | {"DATABASE_URL": bare_database_url}

    code, output = await finish(await start("migrate", config_file, bare))
    _, again = await finish(await start("migrate", config_file, bare))

    connection = await asyncpg.connect(bare_database_url)
    tables = await connection.fetchval("select count(*) from clients")
    await connection.close()
    assert (code, tables) == (0, 0), output
    applied = [json.loads(each)["applied"] for each in (output, again)]
    assert (applied[0][0], applied[1]) == ("0001_core.sql", [])


async def test_worker_applies_what_waits_in_the_inbox(
    config_file: Path, environment: dict[str, str], database_url: str
) -> None:
    await finish(await start("migrate", config_file, environment))
    connection = await asyncpg.connect(database_url)
    applied = asyncio.Event()
    await connection.execute(
        "insert into psp_inbox (psp, external_id, type, livemode, occurred_at, received_at, body,"
        " headers, next_attempt_at) values ('stripe', 'evt_1', 'customer.created', false, now(),"
        " now(), '', '{}', now())"
    )
    await connection.execute(
        "create function tell() returns trigger language plpgsql as $$ begin"
        " perform pg_notify('applied', new.state); return new; end $$;"
        "create trigger tell after update on psp_inbox for each row"
        " when (new.processed_at is not null) execute function tell()"
    )
    await connection.add_listener("applied", lambda *_: applied.set())

    worker = await start("worker", config_file, environment)
    async with asyncio.timeout(LIMIT_S):
        await applied.wait()
    worker.send_signal(signal.SIGTERM)
    code, output = await finish(worker)
    await connection.close()

    assert code == 0, output
    assert json.loads(output.splitlines()[0])["event"] == "working"


@pytest.mark.parametrize("command", ["worker", "migrate"])
async def test_database_that_does_not_answer_is_one_line(
    config_file: Path, environment: dict[str, str], tmp_path: Path, command: str
) -> None:
    nowhere = f"postgresql:///x?host={tmp_path}/nowhere"

    code, output = await finish(
        await start(command, config_file, environment | {"DATABASE_URL": nowhere})
    )

    assert code == 1
    assert output.startswith("tollway: cannot use database.url: ")
    assert output.count("\n") == 1


async def test_port_that_is_taken_is_one_line(
    config_file: Path, environment: dict[str, str]
) -> None:
    async with serving(config_file, environment) as first:
        change_port(config_file, first.port)

        code, output = await finish(await start("serve", config_file, environment))

    assert code == 1
    assert f"port {first.port} (Address already in use)" in output
    assert output.count("\n") == 1


async def test_serves_over_tls_and_shows_a_renewed_certificate_by_itself(
    config_file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    secure(config_file, authority.issue("notes.localhost", "checkout.localhost"))

    async def serial(port: int) -> object:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=authority.client_context(), server_hostname="notes.localhost"
        )
        certificate = writer.get_extra_info("peercert")
        writer.transport.abort()
        return certificate["serialNumber"]

    async with serving(config_file, environment) as gateway:
        url = f"https://127.0.0.1:{gateway.port}"
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=authority.client_context())
        ) as session:
            answers = [
                await _status_over_tls(session, f"{url}{path}", name)
                for name, path in (
                    ("notes.localhost", "/public/x"),
                    ("checkout.localhost", "/sign-in"),
                )
            ]
        before = await serial(gateway.port)
        authority.issue("notes.localhost")
        await _until_told(gateway.process, b'"certificate_loaded"')
        after = await serial(gateway.port)

    assert answers == [200, 501]
    assert before != after


async def _status_over_tls(session: aiohttp.ClientSession, url: str, name: str) -> int:
    async with session.get(url, headers={"Host": name}, server_hostname=name) as answer:
        return answer.status


async def _until_told(process: Process, event: bytes) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        async for line in process.stdout:
            if event in line:
                return
    raise AssertionError(event)
