"""What runs while webhooks are measured: the payment sandbox, Postgres, and the gateway.

Postgres and the gateway share one core, the sandbox and the load have the other: what is
told "per core" is the work of all that is ours. Postgres writes as in earnest (fsync).
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from bench.cores import Cores
from bench.cpu import tree_pids
from bench.errors import BenchError
from bench.gateway import gateway_environment
from bench.program import ROOT
from bench.site import free_port, running, temporary_folder
from gateway.config.load import load_config
from gateway.demo_parts import start_sandbox
from gateway.demo_secrets import DemoSecrets, load_or_create_secrets, placeholders
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.owner import DataDir
from gateway.embedded.postgres import EmbeddedPostgres

_CONFIG = ROOT / "config.yaml"
_GRACE_S = 12.0


@dataclass(frozen=True, slots=True)
class Shop:
    """What stays for a whole run; `host` is that of the gateway's own pages, and of webhooks."""

    folder: Path
    host: str
    cores: Cores
    secrets: DemoSecrets
    database_url: str
    database_pid: int
    sandbox_url: str


@dataclass(frozen=True, slots=True)
class Serving:
    """The gateway while it runs."""

    port: int
    pid: int


@asynccontextmanager
async def open_shop(cores: Cores) -> AsyncIterator[Shop]:
    """Run Postgres and the sandbox while entered.

    Raises:
        BenchError: one of them did not start.
    """
    with temporary_folder("tollway-bench-") as folder, DataDir(folder / "data") as data:
        secrets = load_or_create_secrets(folder / "secrets.json")
        postgres = EmbeddedPostgres(data.postgres, data.run)
        try:
            await _keep_commit_times(await postgres.start())
            await postgres.stop()
            url = await postgres.start()
            pin(postgres.pid, cores.proxy)
            config = load_config(_CONFIG, {**os.environ, **placeholders()})
            # Nobody listens there: the events that are sent are made by us.
            nowhere = f"http://127.0.0.1:{free_port()}/webhook"
            sandbox = await start_sandbox(folder / "sandbox", config, secrets, webhook_url=nowhere)
        except EmbeddedError as error:
            await postgres.stop()
            raise BenchError(str(error)) from error
        try:
            pin(sandbox.pid, cores.load)
            told = str((sandbox.ready_line or {})["url"])
            yield Shop(folder, config.public.host, cores, secrets, url, postgres.pid, told)
        finally:
            await asyncio.shield(asyncio.gather(sandbox.stop(), postgres.stop()))


@asynccontextmanager
async def serving(
    shop: Shop, *, applies: bool, app_url: str | None = None
) -> AsyncIterator[Serving]:
    """Run a gateway while entered; without `applies` it only takes webhooks in.

    Raises:
        BenchError: it did not start.
    """
    port = free_port()
    document: dict[str, Any] = yaml.safe_load(_CONFIG.read_text())
    if not applies:
        document["billing"]["worker"]["concurrency"] = 0
    # Each its own, by which its sockets are told apart from the other's.
    file = shop.folder / ("applies.yaml" if applies else "takes.yaml")
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    more = {**shop.secrets.as_environment(), "STRIPE_API_URL": shop.sandbox_url}
    if app_url is not None:
        more["API_URL"] = app_url
    environment = gateway_environment(port, shop.database_url, **more)
    async with running(
        "tollway",
        [sys.executable, "-P", "-m", "gateway", "serve", "-c", str(file)],
        shop.folder / "gateway.log",
        cores=shop.cores.proxy,
        port=port,
        env=environment,
        grace_s=_GRACE_S,
    ) as process:
        yield Serving(port, process.pid)


async def _keep_commit_times(url: str) -> None:
    """Let Postgres note when it commits, from its next start on."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("alter system set track_commit_timestamp = on")
    finally:
        await connection.close()


def pin(pid: int, cores: str | None) -> None:
    """Keep a process and all that it started on the cores."""
    if cores is not None:
        for each in tree_pids(pid):
            os.sched_setaffinity(each, {int(core) for core in cores.split(",")})
