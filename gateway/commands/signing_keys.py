"""`tollway signing-keys`: the keys that sign tokens, and a new one before its time."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import typer
from rich.table import Table

from billing.model import Cause, Source
from billing.oauth.rotation import phases_of
from billing.storage.signing_keys import StoredKey, list_signing_keys
from gateway.clock import wall
from gateway.commands.printing import print_whole, to_json
from gateway.commands.session import (
    DEFAULT_DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    opened,
    run,
)
from gateway.wiring.access import signing_keys_of

signing_keys = typer.Typer(
    name="signing-keys",
    help="The keys that sign tokens for the API.",
    no_args_is_help=True,
)


@signing_keys.command("list")
def list_(
    config: ConfigOption = None, data: DataOption = DEFAULT_DATA, *, as_json: JsonOption = False
) -> None:
    """List all keys that there have been, and what each does now."""
    keys = run(_list(config, data))
    phases = phases_of(keys, wall())
    if as_json:
        told = [
            {
                "kid": key.kid,
                "phase": phases[key.kid].value,
                "created_at": key.created_at,
                "signs_from_at": key.signs_from_at,
            }
            for key in keys
        ]
        typer.echo(to_json(told))
        return
    table = Table("Key", "Phase", "Made (UTC)", "Signs from", box=None, pad_edge=False)
    for key in keys:
        made, signs = (f"{at:%Y-%m-%d %H:%M}" for at in (key.created_at, key.signs_from_at))
        table.add_row(key.kid, phases[key.kid].value, made, signs)
    print_whole(table)


@signing_keys.command("rotate")
def rotate(
    config: ConfigOption = None, data: DataOption = DEFAULT_DATA, *, as_json: JsonOption = False
) -> None:
    """Make a new key now; it signs after `oauth.publish_delay_s`, and tokens go on being good."""
    kid, signs_from_at = run(_rotate(config, data))
    if as_json:
        typer.echo(to_json({"kid": kid, "signs_from_at": signs_from_at}, indent=None))
        return
    typer.echo(f"{kid} is published, and signs from {signs_from_at:%Y-%m-%d %H:%M:%S} UTC on")


async def _list(config: Path | None, data: Path) -> Sequence[StoredKey]:
    async with opened(config, data) as session, session.database.connection() as connection:
        return await list_signing_keys(connection)


async def _rotate(config: Path | None, data: Path) -> tuple[str, datetime]:
    async with opened(config, data) as session:
        keys = signing_keys_of(session.config, session.database)
        kid = await keys.rotate(wall(), Cause(Source.ADMIN, session.operator))
        async with session.database.connection() as connection:
            stored = await list_signing_keys(connection)
        return kid, next(key.signs_from_at for key in stored if key.kid == kid)
