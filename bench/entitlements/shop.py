"""What runs while entitlements are measured: Postgres, Valkey, and who has paid."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from bench.errors import BenchError
from bench.gateway import gateway_environment
from bench.program import ROOT
from bench.site import free_port, temporary_folder
from billing.derive import GrantFact
from billing.storage.clients import get_or_create_client
from billing.storage.grants import bump_version, save_grants
from billing.storage.pool import Database
from gateway.config.load import load_config
from gateway.config.schema import Config
from gateway.demo_secrets import DemoSecrets, load_or_create_secrets
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.owner import DataDir
from gateway.embedded.postgres import EmbeddedPostgres
from gateway.embedded.valkey import EmbeddedValkey
from gateway.stores import bring_up_to_date, keys_of

APP = "api"
_CONFIG = ROOT / "config.yaml"
_PAID = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Shop:
    """The stores, and the environment in which a gateway finds them."""

    folder: Path
    file: Path
    environment: dict[str, str]
    secrets: DemoSecrets
    config: Config
    database: Database


@asynccontextmanager
async def open_shop(app_url: str) -> AsyncIterator[Shop]:
    """Run the stores while entered; the app that every request goes to is at `app_url`.

    Raises:
        BenchError: one of them did not start.
    """
    with temporary_folder("tollway-bench-") as folder, DataDir(folder / "data") as data:
        secrets = load_or_create_secrets(folder / "secrets.json")
        postgres = EmbeddedPostgres(data.postgres, data.run)
        valkey = EmbeddedValkey(data.valkey, data.run)
        try:
            database_url, redis_url = await asyncio.gather(postgres.start(), valkey.start())
            more = {
                **secrets.as_environment(),
                "REDIS_URL": redis_url,
                # Nobody asks a provider here; who did, would be refused at once.
                "STRIPE_API_URL": f"http://127.0.0.1:{free_port()}",
                f"{APP.upper()}_URL": app_url,
            }
            environment = gateway_environment(free_port(), database_url, **more)
            file = folder / "config.yaml"
            file.write_text(yaml.safe_dump(yaml.safe_load(_CONFIG.read_text()), sort_keys=False))
            config = load_config(file, environment)
            database = await Database.open(database_url, size=4, ring=keys_of(config))
            try:
                await bring_up_to_date(database)
                yield Shop(folder, file, environment, secrets, config, database)
            finally:
                await database.close()
        except EmbeddedError as error:
            raise BenchError(str(error)) from error
        finally:
            await asyncio.shield(asyncio.gather(postgres.stop(), valkey.stop()))


async def add_paid(database: Database, names: Sequence[str]) -> list[str]:
    """Write clients who have paid, by external ids; return their ids in this order."""
    ids = []
    async with database.transaction() as connection:
        for name in names:
            client_id = await get_or_create_client(connection, name)
            await save_grants(connection, client_id, [grant_of(name)], "bench")
            await bump_version(connection, client_id)
            ids.append(client_id)
    return ids


def grant_of(name: str, until_at: datetime | None = None) -> GrantFact:
    """Return what a plan with one feature gives, for a month unless said otherwise."""
    now = datetime.now(UTC)
    return GrantFact(
        app_id=APP,
        feature="access",
        value=True,
        source="item",
        source_id=f"si_{name}",
        plan="api",
        version=1,
        status="active",
        from_at=now - timedelta(days=1),
        until_at=until_at or now + _PAID,
    )
