"""`tollway keys`: the keys of the personal data and of the audit in the database."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from billing.crypto.keyring import KeyRing, new_key
from billing.crypto.rotation import Rotated, count_to_rotate, rotate
from billing.errors import KeyRingError
from billing.model import Cause, Source
from billing.storage.sealed_columns import COLUMNS, count_audit_by_key, count_by_key
from gateway.clock import wall
from gateway.commands.printing import print_whole
from gateway.commands.progress import progress_bar
from gateway.commands.session import DEFAULT_DATA, ConfigOption, DataOption, JsonOption, opened, run

keys = typer.Typer(
    name="keys",
    help="The keys of the personal data and of the audit in the database.",
    no_args_is_help=True,
)

_Counts = dict[str, dict[str | None, int]]


@keys.command("new")
def new(
    key_id: Annotated[
        str | None, typer.Option("--id", help="Its name, of a-z, 0-9 and -; none is today's date.")
    ] = None,
) -> None:
    """Print a new key, as encryption.keys takes it; it is kept nowhere else."""
    try:
        typer.echo(new_key(key_id or f"k{wall():%Y%m%d}"))
    except KeyRingError as error:
        typer.echo(f"tollway: {error}", err=True)
        raise typer.Exit(1) from None


@keys.command("status")
def status(
    config: ConfigOption = None, data: DataOption = DEFAULT_DATA, *, as_json: JsonOption = False
) -> None:
    """Tell how many rows need which key; one that none needs can go."""
    ring, counts = run(_count(config, data))
    if as_json:
        told = {"seals": ring.key_id, "opens": ring.key_ids, "rows": counts}
        typer.echo(json.dumps(told, indent=2))
        return
    table = Table("Key", "Configured", *counts, box=None, pad_edge=False)
    needed = {key for rows in counts.values() for key in rows}
    for key in sorted({*ring.key_ids, *needed}, key=lambda key: (key is None, key or "")):
        rows = [str(of_column.get(key, "")) for of_column in counts.values()]
        table.add_row(key or "none: in clear", _standing(ring, key), *rows)
    print_whole(table)


@keys.command("rotate")
def rotate_(
    config: ConfigOption = None, data: DataOption = DEFAULT_DATA, *, as_json: JsonOption = False
) -> None:
    """Seal everything anew with the first key; safe while serving, and stopped at any point."""
    key_id, done = run(_rotate(config, data))
    if as_json:
        typer.echo(json.dumps({"key": key_id, "sealed": done.sealed, "failed": done.failed}))
    else:
        typer.echo(f"{done.sealed} values are sealed anew, all with the key {key_id!r}")
    if done.failed:
        typer.echo(
            f"tollway: {done.failed} values do not open and were left as they are: their key is"
            " not configured, or somebody changed them (`tollway keys status`)",
            err=True,
        )
        raise typer.Exit(1)


async def _count(config: Path | None, data: Path) -> tuple[KeyRing, _Counts]:
    async with opened(config, data) as session, session.database.connection() as connection:
        counts = {column.name: await count_by_key(connection, column) for column in COLUMNS}
        counts["audit"] = await count_audit_by_key(connection)
        return session.database.ring, counts


async def _rotate(config: Path | None, data: Path) -> tuple[str, Rotated]:
    async with opened(config, data) as session:
        with progress_bar() as progress:
            task = progress.add_task("Sealing", total=await count_to_rotate(session.database))
            done = await rotate(
                session.database,
                Cause(Source.ADMIN, session.operator),
                on_progress=lambda rows: progress.advance(task, rows),
            )
        return session.database.ring.key_id, done


def _standing(ring: KeyRing, key: str | None) -> str:
    if key == ring.key_id:
        return "seals and opens"
    if key in ring.key_ids:
        return "opens"
    return "" if key is None else "MISSING"
