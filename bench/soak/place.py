"""What runs in a soak: Postgres and Valkey behind networks that can be disturbed, and us.

Whoever writes the truth reaches Postgres directly; the gateway goes through the networks.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from bench.cpu import tree_pids
from bench.errors import BenchError
from bench.gateway import gateway_environment
from bench.program import ROOT, hear_out
from bench.site import free_port, last_words, running, temporary_folder
from bench.trouble.link import Link, open_link
from bench.trouble.servers import (
    postgres_through,
    socket_of_postgres,
    socket_of_valkey,
    valkey_through,
)
from gateway.config.load import load_config
from gateway.demo_parts import start_sandbox
from gateway.demo_secrets import DemoSecrets, load_or_create_secrets, placeholders
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.owner import DataDir
from gateway.embedded.postgres import EmbeddedPostgres
from gateway.embedded.processes import GuardedProcess
from gateway.embedded.valkey import EmbeddedValkey

APP: Final = "chat"
"""The app that clients visit; its host is `chat.localhost`."""

HOST: Final = "checkout.localhost"
"""The gateway's own host, as in the configuration that is shipped."""

_CONFIG = ROOT / "config.yaml"
_GRACE_S = 15.0
_READY_S = 30.0
_TOKEN_MINUTES = 24 * 60
_LOOK_EVERY_S = 0.1
# Fewer than there are clients, so that all rungs of the ladder are used all the time.
_REMEMBERED_CLIENTS = 60


@dataclass(slots=True)
class Place:
    """Everything, by what can be done to it."""

    folder: Path
    port: int
    secrets: DemoSecrets
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    to_postgres: Link
    to_valkey: Link
    database_url: str
    gateway: GuardedProcess
    metrics_token: str

    async def restart_postgres(self) -> None:
        """Stop Postgres, which cuts all that it does, and start it anew."""
        await self.postgres.stop()
        self.database_url = await self.postgres.start()
        self.to_postgres.server = socket_of_postgres(self.database_url)

    async def restart_valkey(self) -> None:
        """Kill Valkey, and start it anew with what it had written."""
        os.kill(self.valkey.pid, signal.SIGKILL)
        await self.valkey.stop()
        self.to_valkey.server = socket_of_valkey(await self.valkey.start())

    def children(self) -> list[int]:
        """Return the processes below the one that supervises, in the order of their ids."""
        return sorted(pid for pid in tree_pids(self.gateway.pid) if _is_child(pid))

    def explain(self) -> str:
        """Return the last words of the gateway."""
        return last_words(self.folder / "gateway.log")


@asynccontextmanager
async def open_place(app_url: str, workers: int) -> AsyncIterator[Place]:
    """Run all of it while entered.

    Raises:
        BenchError: something did not start.
    """
    with temporary_folder("tollway-soak-") as folder, DataDir(folder / "data") as data:
        secrets = load_or_create_secrets(folder / "secrets.json")
        postgres = EmbeddedPostgres(data.postgres, data.run)
        valkey = EmbeddedValkey(data.valkey, data.run)
        try:
            database_url, valkey_url = await asyncio.gather(postgres.start(), valkey.start())
            config = load_config(_CONFIG, {**os.environ, **placeholders()})
            sandbox = await start_sandbox(
                folder / "sandbox",
                config,
                secrets,
                webhook_url=f"http://127.0.0.1:{free_port()}/webhook",
            )
        except EmbeddedError as error:
            await _stop(postgres, valkey)
            raise BenchError(str(error)) from error
        try:
            async with (
                open_link(socket_of_postgres(database_url)) as to_postgres,
                open_link(socket_of_valkey(valkey_url)) as to_valkey,
            ):
                port = free_port()
                more = {
                    **secrets.as_environment(),
                    "REDIS_URL": valkey_through(to_valkey),
                    "STRIPE_API_URL": str((sandbox.ready_line or {})["url"]),
                    f"{APP.upper()}_URL": app_url,
                }
                there = postgres_through(to_postgres, database_url)
                environment = gateway_environment(port, there, **more)
                async with running(
                    "tollway",
                    _command(_config_file(folder), workers),
                    folder / "gateway.log",
                    cores=None,
                    port=port,
                    env=environment,
                    grace_s=_GRACE_S,
                ) as gateway:
                    await _wait_until_ready(gateway, port, folder / "gateway.log")
                    token = await _metrics_token(folder / "config.yaml", environment)
                    yield Place(
                        folder,
                        port,
                        secrets,
                        postgres,
                        valkey,
                        to_postgres,
                        to_valkey,
                        database_url,
                        gateway,
                        token,
                    )
        finally:
            await asyncio.shield(asyncio.gather(sandbox.stop(), _stop(postgres, valkey)))


async def _wait_until_ready(gateway: GuardedProcess, port: int, log: Path) -> None:
    """Wait until all stores are there, and the schema: the sockets listen before that."""
    try:
        async with asyncio.timeout(_READY_S), aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                    if response.status == 200:
                        return
                await asyncio.sleep(_LOOK_EVERY_S)
    except (TimeoutError, aiohttp.ClientError) as error:
        state = "runs" if gateway.is_running else "ended"
        raise BenchError(f"the gateway {state} and is not ready: {last_words(log)}") from error


async def _metrics_token(file: Path, environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "gateway", "token", "-c", str(file)),
        *("--role", "admin", "--scope", "metrics:read", "--minutes", str(_TOKEN_MINUTES)),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await hear_out(process, "tollway token", _READY_S)
    if process.returncode != 0:
        raise BenchError(f"there is no token: {errors.decode(errors='replace').strip()}")
    return output.decode().strip()


def _command(file: Path, workers: int) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "gateway", "serve"),
        *("-c", str(file), "--workers", str(workers)),
    ]


def _config_file(folder: Path) -> Path:
    document: dict[str, Any] = yaml.safe_load(_CONFIG.read_text())
    document["entitlements"]["memory_clients"] = _REMEMBERED_CLIENTS
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return file


def _is_child(pid: int) -> bool:
    try:
        return b"gateway.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False  # It ended while we looked.


async def _stop(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
    await asyncio.gather(postgres.stop(), valkey.stop())
