"""Ourselves: `tollway serve` on the configuration as shipped, every feature on.

Postgres and Valkey are the embedded ones; their CPU counts as ours. The client's grant is
written by billing's own storage, as a webhook would write it.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import yaml

from bench.errors import BenchError
from bench.gateway import gateway_environment
from bench.site import Site, free_port, running, temporary_folder
from bench.stacks.stack import Listening
from billing.derive import GrantFact
from billing.model import Plan
from billing.storage.clients import get_or_create_client
from billing.storage.grants import bump_version, save_grants
from billing.storage.migrate import migrate
from billing.storage.pool import Database
from gateway.config.load import load_config
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.owner import DataDir
from gateway.embedded.postgres import EmbeddedPostgres
from gateway.embedded.valkey import EmbeddedValkey
from gateway.stores import keys_of
from gateway.translate import plans_of

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config.yaml"
APP = "api"
CLIENTS = 256
"""How many have paid; the first of them sends every request that is not mixed."""

_PLAN = "api"
_ISSUER = "tollway-demo"
_AUDIENCE = "tollway"
_TOKEN_S = 86_400
_PAID = timedelta(days=30)
# Longer than the open requests of a gateway get at a stop.
_GRACE_S = 12.0


def make_token(key: str, number: int = 0) -> str:
    """Return the bearer token of one of the clients that have paid."""
    return token_of(key, _name_of(number))


def token_of(key: str, external_id: str) -> str:
    """Return a client's bearer token, of the issuer that the shipped configuration trusts."""
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": external_id,
        "exp": int(time.time()) + _TOKEN_S,
    }
    return jwt.encode(claims, key, algorithm="HS256")


def _name_of(number: int) -> str:
    return f"bench-{number}"


@dataclass(frozen=True, slots=True)
class Tollway:
    """The gateway.

    `proxy` are keys of that section which a measurement has to change; `on_pair` gives it
    the cores that are for two workers.
    """

    name: str = "tollway"
    title: str = "Tollway"
    does: str = "token, entitlement, headers, log"
    workers: int = 1
    proxy: Mapping[str, Any] = field(default_factory=dict)
    on_pair: bool = False

    def find_missing(self) -> str | None:
        """Return None: what it needs is in the lock file."""
        return None

    @asynccontextmanager
    async def run(self, site: Site) -> AsyncIterator[Listening]:
        """Run it with its stores while entered."""
        port = free_port()
        with temporary_folder("tollway-", site.folder) as folder:
            async with _stores(folder) as stores:
                environment = self._environment(site, stores, port)
                file = self._config_file(folder)
                await _pay(stores.database_url, file, environment)
                async with running(
                    self.name,
                    self._command(file),
                    folder / "log",
                    cores=site.cores.pair if self.on_pair else site.cores.proxy,
                    port=port,
                    env=environment,
                    grace_s=_GRACE_S,
                ) as process:
                    pids = (process.pid, *stores.pids)
                    yield Listening(port, f"{APP}.localhost", pids, refuses=True)

    def _command(self, file: Path) -> list[str]:
        command = [sys.executable, "-P", "-m", "gateway", "serve", "-c", str(file)]
        # One is the default, which versions without workers have too.
        return command + (["--workers", str(self.workers)] if self.workers > 1 else [])

    def _environment(self, site: Site, stores: "_Stores", port: int) -> dict[str, str]:
        upstream = f"http://127.0.0.1:{site.gated_port}"
        config = yaml.safe_load(CONFIG.read_text())
        return gateway_environment(
            port,
            stores.database_url,
            # Every app leads to the one that is there, so that none is found dead.
            **{f"{app['id'].upper()}_URL": upstream for app in config["apps"]},
            REDIS_URL=stores.redis_url,
            TOLLWAY_TOKEN_KEY=site.token_key,
        )

    def _config_file(self, folder: Path) -> Path:
        if not self.proxy:
            return CONFIG
        document = yaml.safe_load(CONFIG.read_text())
        document["proxy"].update(self.proxy)
        file = folder / "config.yaml"
        file.write_text(yaml.dump(document, Dumper=_Plain, sort_keys=False))
        return file


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: no anchors."""
        del data
        return True


@dataclass(frozen=True, slots=True)
class _Stores:
    database_url: str
    redis_url: str
    pids: tuple[int, ...]


@asynccontextmanager
async def _stores(folder: Path) -> AsyncIterator[_Stores]:
    with DataDir(folder / "data") as data:
        postgres = EmbeddedPostgres(data.postgres, data.run, durable=False)
        valkey = EmbeddedValkey(data.valkey, data.run, durable=False)
        try:
            urls = await asyncio.gather(postgres.start(), valkey.start())
            yield _Stores(*urls, pids=(postgres.pid, valkey.pid))
        except EmbeddedError as error:
            raise BenchError(str(error)) from error
        finally:
            await asyncio.shield(_stop(postgres, valkey))


async def _stop(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
    await asyncio.gather(postgres.stop(), valkey.stop())


async def _pay(database_url: str, file: Path, environment: dict[str, str]) -> None:
    """Make the schema, and write the clients with what the plan gives."""
    config = load_config(file, environment)
    plan = next(plan for plan in plans_of(config) if plan.id == _PLAN)
    database = await Database.open(database_url, size=2, ring=keys_of(config))
    try:
        await migrate(database)
        async with database.transaction() as connection:
            for number in range(CLIENTS):
                client_id = await get_or_create_client(connection, _name_of(number))
                await save_grants(connection, client_id, _grants(plan, number), "bench")
                await bump_version(connection, client_id)
    finally:
        await database.close()


def _grants(plan: Plan, number: int) -> list[GrantFact]:
    now = datetime.now(UTC)
    return [
        GrantFact(
            app_id=given.app_id,
            feature=given.feature,
            value=given.value,
            source="item",
            source_id=f"si_bench_{number}",
            plan=plan.id,
            version=plan.version,
            status="active",
            from_at=now - timedelta(days=1),
            until_at=now + _PAID,
        )
        for given in plan.features
    ]


TOLLWAY = Tollway()
