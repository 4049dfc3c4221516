"""`tollway audit`: what was done, and whether what is written of it is whole."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from billing.audit.chain import Head
from billing.audit.heads import heads_as_text, heads_of_text
from billing.audit.verifier import Fault
from billing.audit.verify import MOST_FAULTS, Verdict, read_heads, verify
from billing.errors import NoSuchClientError
from billing.storage.audit import AuditRow, list_audit
from billing.storage.client_overview import find_clients
from gateway.commands.instants import SinceOption, find_instant
from gateway.commands.printing import print_whole, to_json
from gateway.commands.progress import progress_bar
from gateway.commands.session import DEFAULT_DATA, ConfigOption, DataOption, JsonOption, opened, run
from gateway.errors import StartError

audit = typer.Typer(name="audit", help="What was done, to whom and why.", no_args_is_help=True)

# The bar moves in steps that cost nothing beside the reading.
_STEP = 500


@audit.command("verify")
def verify_(
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    from_head: Annotated[
        Path | None,
        typer.Option(help="Heads kept elsewhere, from `audit head`.", exists=True, dir_okay=False),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check that no row was changed, removed, inserted or moved; exit 1 if one was."""
    verdict = run(_verify(config, data, from_head))
    if as_json:
        faults = [{**asdict(fault), "wrong": fault.wrong.name} for fault in verdict.faults]
        typer.echo(to_json({"rows": verdict.rows, "faults": faults}))
    elif not verdict.faults:
        typer.echo(f"{verdict.rows} row{' is' if verdict.rows == 1 else 's are'} whole")
    else:
        for fault in verdict.faults:
            typer.echo(_told(fault))
        count = len(verdict.faults)
        more = " or more" if count == MOST_FAULTS else ""
        typer.echo(f"{verdict.rows} rows, {count} fault{'s' if count > 1 else ''}{more}")
    if verdict.faults:
        raise typer.Exit(1)


@audit.command("head")
def head(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Print where the chains end, in JSON; kept elsewhere, it proves later that they only grew."""
    typer.echo(heads_as_text(run(_heads(config, data))))


@audit.command("list")
def list_(
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    client: Annotated[
        str | None, typer.Option(help="Of one client: its id, external id or e-mail.")
    ] = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 50,
    *,
    as_json: JsonOption = False,
) -> None:
    """List what was done, the newest last."""
    rows = run(_list(config, data, client, find_instant(since), limit))
    if as_json:
        typer.echo(to_json([asdict(row) for row in rows]))
        return
    print_whole(table_of(rows))


def table_of(rows: list[AuditRow]) -> Table:
    """Return the rows as a table: when, who, what, to whom, and what changed."""
    table = Table("Time (UTC)", "Who", "What", "Client", "Change", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            f"{row.at:%Y-%m-%d %H:%M:%S}",
            row.actor,
            row.action,
            row.client_id or "",
            _change_of(row),
        )
    return table


async def _verify(config: Path | None, data: Path, from_head: Path | None) -> Verdict:
    kept: dict[int, Head] = {}
    if from_head is not None:
        try:
            kept = heads_of_text(from_head.read_text())  # noqa: ASYNC240 - nothing else runs
        except (OSError, ValueError) as error:
            raise StartError(f"{from_head} is not what `audit head` printed") from error
    async with opened(config, data) as session:
        with progress_bar() as progress:
            task, seen = progress.add_task("Checking", total=None), 0

            def on_row() -> None:
                nonlocal seen
                seen += 1
                if seen % _STEP == 0:
                    progress.advance(task, _STEP)

            return await verify(
                session.database,
                kept,
                on_total=lambda rows: progress.update(task, total=rows),
                on_row=on_row,
            )


async def _heads(config: Path | None, data: Path) -> list[Head]:
    async with opened(config, data) as session:
        return await read_heads(session.database)


async def _list(
    config: Path | None, data: Path, client: str | None, since: datetime | None, limit: int
) -> list[AuditRow]:
    async with opened(config, data) as session, session.database.connection() as connection:
        if client is None:
            return (await list_audit(connection, since=since, limit=limit))[::-1]
        rows: list[AuditRow] = []
        found = await find_clients(connection, client)
        if not found:
            raise NoSuchClientError("there is no such client; `tollway clients list` shows all")
        for one in found:
            rows += await list_audit(connection, client_id=one.id, since=since, limit=limit)
    return sorted(rows, key=lambda row: row.seq)[-limit:]


def _told(fault: Fault) -> str:
    place = f"chain {fault.chain}" if fault.chain is not None else "outside of the chains"
    if fault.position is not None:
        place += f", position {fault.position}"
    if fault.seq is not None:
        place += f", seq {fault.seq}"
    detail = f" ({fault.detail})" if fault.detail else ""
    return f"{place}: {fault.wrong.value}{detail}"


def _change_of(row: AuditRow) -> str:
    """Return `field: before → after` for what differs."""
    before, after = row.before or {}, row.after or {}
    told = []
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        told.append(
            f"{name}: {_word(new)}" if old is None else f"{name}: {_word(old)} → {_word(new)}"
        )
    return "; ".join(told)


def _word(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
