"""`tollway clients`: who there is, and what there is about one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from billing.errors import NoSuchClientError
from billing.model import Cause, Source
from billing.storage.client_endings import close_client, erase_client, sign_out_client
from billing.storage.client_overview import Overview, find_clients, get_overview
from billing.storage.client_records import (
    Client,
    Page,
    create_client,
    get_client,
    list_clients,
)
from billing.storage.pool import Connection
from gateway.clock import wall
from gateway.commands.apps import check_app
from gateway.commands.audit import table_of
from gateway.commands.printing import print_whole, to_json
from gateway.commands.session import DEFAULT_DATA, ConfigOption, DataOption, JsonOption, opened, run

clients = typer.Typer(
    name="clients", help="Clients: who they are, what they hold.", no_args_is_help=True
)

_End = Callable[[Connection, str, Cause, datetime], Awaitable[Client]]
Who = Annotated[str, typer.Argument(metavar="CLIENT", help="Its id, external id or e-mail.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@clients.command("list")
def list_(
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    app: Annotated[str | None, typer.Option(help="Who signed up at this app.")] = None,
    after: Annotated[str | None, typer.Option(help="Go on behind this client's id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many at most.")] = 50,
    *,
    as_json: JsonOption = False,
) -> None:
    """List clients, the newest first."""
    page = run(_list(config, data, app, after, limit))
    if as_json:
        told = {"clients": [asdict(client) for client in page.clients], "after": page.after}
        typer.echo(to_json(told))
        return
    table = Table("Id", "External id", "Name", "E-mail", "App", "Status", box=None, pad_edge=False)
    for client in page.clients:
        table.add_row(*map(_word, _facts(client)))
    print_whole(table)
    if page.after is not None:
        typer.echo(f"more: --after {page.after}")


@clients.command("show")
def show(
    who: Who,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show a client with its subscriptions, grants, blocks, payments, and what was done last."""
    found = run(_show(config, data, who))
    if as_json:
        typer.echo(to_json(asdict(found)))
        return
    console = Console(markup=False, emoji=False)
    for name, value in asdict(found.client).items():
        if value is not None:
            console.print(f"{name:12} {_word(value)}", highlight=False, soft_wrap=True)
    for title in ("subscriptions", "grants", "blocks", "payments"):
        rows: Sequence[Mapping[str, Any]] = getattr(found, title)
        if rows:
            typer.echo(f"\n{title}")
            print_whole(_table(rows))
    if found.audit:
        typer.echo("\nwhat was done last")
        print_whole(table_of(sorted(found.audit, key=lambda row: row.seq)))


@clients.command("add")
def add(
    external_id: Annotated[str, typer.Argument(help="Under which its tokens and apps know it.")],
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    name: Annotated[str | None, typer.Option(help="Kept sealed.")] = None,
    email: Annotated[str | None, typer.Option(help="Kept sealed.")] = None,
    app: Annotated[str | None, typer.Option(help="The app where it signed up.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Add a client, and print its id."""
    made = run(_add(config, data, external_id, name, email, app))
    typer.echo(to_json(asdict(made)) if as_json else made.id)


@clients.command("close")
def close(
    who: Who,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    *,
    yes: YesOption = False,
) -> None:
    """Let a client in nowhere any more; its subscriptions are not canceled."""
    _end(config, data, who, close_client, "Close {}?", yes=yes)
    typer.echo("closed")


@clients.command("sign-out")
def sign_out(
    who: Who,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    *,
    yes: YesOption = False,
) -> None:
    """End a client's sessions, and refuse every token that was issued until now."""
    _end(config, data, who, sign_out_client, "Sign {} out everywhere?", yes=yes)
    typer.echo("signed out")


@clients.command("erase")
def erase(
    who: Who,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    *,
    yes: YesOption = False,
) -> None:
    """Close a client and erase what is personal; payments and grants stay. There is no way back.

    A client with a live subscription or an open checkout is refused: it would pay on for what it
    is not let into.
    """
    _end(config, data, who, erase_client, "Erase all that is personal of {}, for ever?", yes=yes)
    typer.echo("erased")


def _end(config: Path | None, data: Path, who: str, end: _End, question: str, *, yes: bool) -> None:
    if not yes:
        named = run(_find(config, data, who))
        typer.confirm(question.format(f"{named.external_id} ({named.id})"), abort=True, err=True)
    run(_end_one(config, data, who, end))


async def _list(
    config: Path | None, data: Path, app: str | None, after: str | None, limit: int
) -> Page:
    async with opened(config, data) as session, session.database.connection() as connection:
        check_app(session.config, app)
        if after is not None:
            # Of an id that nobody has, the list would begin anew, as if all had been seen.
            await get_client(connection, after)
        return await list_clients(connection, limit=limit, after=after, app_id=app)


async def _show(config: Path | None, data: Path, who: str) -> Overview:
    async with opened(config, data) as session, session.database.connection() as connection:
        return await get_overview(connection, await _the_one(connection, who))


async def _find(config: Path | None, data: Path, who: str) -> Client:
    async with opened(config, data) as session, session.database.connection() as connection:
        return await _the_one(connection, who)


async def _add(
    config: Path | None,
    data: Path,
    external_id: str,
    name: str | None,
    email: str | None,
    app: str | None,
) -> Client:
    async with opened(config, data) as session:
        check_app(session.config, app)
        cause = Cause(Source.ADMIN, session.operator)
        async with session.database.transaction() as connection:
            return await create_client(
                connection, external_id, cause, name=name, email=email, app_id=app
            )


async def _end_one(config: Path | None, data: Path, who: str, end: _End) -> Client:
    async with opened(config, data) as session, session.database.transaction() as connection:
        client = await _the_one(connection, who)
        return await end(connection, client.id, Cause(Source.ADMIN, session.operator), wall())


async def _the_one(connection: Connection, who: str) -> Client:
    found = await find_clients(connection, who)
    if not found:
        raise NoSuchClientError("there is no such client; `tollway clients list` shows all")
    if len(found) > 1:
        ids = ", ".join(client.id for client in found)
        raise NoSuchClientError(
            f"{len(found)} clients have this address, name one by its id: {ids}"
        )
    return found[0]


def _facts(client: Client) -> tuple[object, ...]:
    return (
        client.id,
        client.external_id,
        client.name,
        client.email,
        client.app_id,
        "erased" if client.erased_at is not None else client.status,
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:  # columns of any type, to be shown
    table = Table(*(name.replace("_", " ") for name in rows[0]), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(_word, row.values()))
    return table


def _word(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
