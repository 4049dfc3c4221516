"""What an operator's command works on: the database of a configuration, opened with its keys."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from billing.errors import BillingError
from billing.storage.migrate import applied_migrations, list_migrations
from billing.storage.pool import Database
from gateway.config.faults import ConfigFaults
from gateway.config.load import load_config
from gateway.config.schema import Config
from gateway.demo_secrets import load_or_create_secrets, placeholders
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.owner import DataDir
from gateway.embedded.postgres import EmbeddedPostgres, running_url
from gateway.errors import StartError
from gateway.observability import log_to_stderr
from gateway.stores import bring_up_to_date, open_database

_T = TypeVar("_T")
_ROOT: Final = Path(__file__).parents[2]
_SHIPPED: Final = _ROOT / "config.yaml"

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="The configuration file; none is `tollway up`'s.", dir_okay=False
    ),
]
DataOption = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Where `tollway up` keeps everything.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
DEFAULT_DATA: Final = _ROOT / ".tollway"


@dataclass(frozen=True, slots=True)
class Session:
    """An open database; its keys are `database.ring`."""

    config: Config
    database: Database

    @property
    def operator(self) -> str:
        """Who gives the command, as an actor of the audit."""
        return f"operator:{os.environ.get('SUDO_USER') or os.environ.get('USER') or os.geteuid()}"


@asynccontextmanager
async def opened(config: Path | None, data: Path = DEFAULT_DATA) -> AsyncIterator[Session]:
    """Open the database of the file, or without one that of `tollway up`, which need not run.

    Raises:
        StartError: it does not answer, or lacks migrations of this program.
        EmbeddedError: the data folder cannot be used.
        ConfigFaults: the configuration is wrong.
    """
    async with AsyncExitStack() as stack:
        if config is not None:
            loaded = load_config(config, os.environ)
        else:
            loaded = await _demo_config(data, stack)
        database = await stack.enter_async_context(open_database(loaded))
        if config is None:
            await bring_up_to_date(database)
        else:
            await _check_schema(database, config)
        yield Session(loaded, database)


def run(command: Coroutine[None, None, _T]) -> _T:
    """Run a command to its end; what goes wrong is one line on standard error, and exit code 1."""
    log_to_stderr()
    try:
        return asyncio.run(command)
    except ConfigFaults as faults:
        text = faults.render()
    except (StartError, EmbeddedError, BillingError) as error:
        text = f"tollway: {error}"
    except KeyboardInterrupt:
        text = "tollway: interrupted"
    typer.echo(text, err=True)
    raise typer.Exit(1)


async def _demo_config(data: Path, stack: AsyncExitStack) -> Config:
    folder = DataDir(data)
    if not folder.postgres.is_dir():
        raise StartError(
            f"{folder.path} is no data folder of `tollway up`: name one with --data, or a"
            " configuration with -c"
        )
    url = await running_url(folder.run)
    if url is None:
        # Nobody has it: its Postgres runs for as long as the command does.
        stack.enter_context(folder)
        postgres = EmbeddedPostgres(folder.postgres, folder.run)
        stack.push_async_callback(postgres.stop)
        url = await postgres.start()
    kept = load_or_create_secrets(folder.path / "secrets.json")
    environment = {**os.environ, **placeholders(), **kept.as_environment(), "DATABASE_URL": url}
    if folder.port.exists():
        environment["PORT"] = folder.port.read_text()
    if folder.sandbox_url.exists():
        environment["STRIPE_API_URL"] = folder.sandbox_url.read_text()
    return load_config(_SHIPPED, environment)


async def _check_schema(database: Database, config: Path) -> None:
    """Refuse a database that this program's statements do not fit."""
    wanted = {migration.name for migration in list_migrations()}
    missing = wanted - await applied_migrations(database)
    if missing:
        raise StartError(
            f"the database lacks {min(missing)}: run `tollway migrate -c {config}` first"
        )
