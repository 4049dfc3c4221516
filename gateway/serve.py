"""`tollway serve`, `worker` and `migrate`: what runs in earnest, from one configuration file."""

import os
import tempfile
from pathlib import Path

from billing.errors import BillingError
from billing.storage.migrate import migrate
from gateway.config.load import load_config
from gateway.config.schema import Config
from gateway.errors import StartError
from gateway.health import UnsafeInstallationError, check_installation
from gateway.lifecycle import LOCALHOST, bind, run_gateway, run_worker
from gateway.observability import log_to_stdout
from gateway.stores import open_database
from gateway.wiring import Extras


async def serve(file: Path) -> None:
    """Serve until cancelled.

    Raises:
        StartError: a store or the port cannot be used.
        ConfigFaults: the configuration is wrong.
    """
    config = _start(file)
    sockets = bind(listen_addresses(config), config.listen.port)
    with tempfile.TemporaryDirectory(prefix="tollway-") as private:
        await run_gateway(config, sockets, Path(private) / "control.sock", Extras())


async def work(file: Path) -> None:
    """Apply webhooks until cancelled; raises what `serve` does."""
    config = _start(file)
    with tempfile.TemporaryDirectory(prefix="tollway-") as private:
        await run_worker(config, Path(private) / "control.sock")


async def migrate_only(file: Path) -> None:
    """Bring the schema up to date; raises what `serve` does."""
    config = _start(file)
    async with open_database(config) as database:
        try:
            await migrate(database)
        except BillingError as error:
            raise StartError(f"the database cannot be brought up to date: {error}") from error


def listen_addresses(config: Config) -> tuple[str, ...]:
    """Return the addresses to bind; `localhost` is both loopbacks."""
    address = config.listen.address
    return LOCALHOST if address == "localhost" else (address,)


def _start(file: Path) -> Config:
    config = load_config(file, os.environ)
    try:
        check_installation()
    except UnsafeInstallationError as error:
        raise StartError(str(error)) from error
    log_to_stdout()
    return config
