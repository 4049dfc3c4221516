"""`tollway events`: what came in from the payment provider, and another try for what failed."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from billing.errors import BillingError
from billing.storage import events
from billing.storage.events import EventFilter, EventRow
from billing.webhooks.masking import masked
from gateway.clock import wall
from gateway.commands.instants import SinceOption, find_instant
from gateway.commands.printing import print_whole, to_rfc3339
from gateway.commands.session import DEFAULT_DATA, ConfigOption, DataOption, JsonOption, opened, run
from gateway.errors import StartError

app = typer.Typer(
    help="Events of the payment provider: what came, what became of it, and another try.",
    no_args_is_help=True,
)

_REPLAYED_AT_ONCE = 500


class State(StrEnum):
    """What an event can be."""

    RECEIVED = "received"
    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"
    DEAD = "dead"


_Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Events at most.")]


@app.command("list")
def list_(
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    *,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    kind: Annotated[
        str | None, typer.Option("--type", help="Only of this type, as the provider names it.")
    ] = None,
    since: SinceOption = None,
    client: Annotated[
        str | None, typer.Option(help="About this client: its id, or what it is known by.")
    ] = None,
    limit: _Limit = 50,
    as_json: JsonOption = False,
) -> None:
    """List the latest events, the newest first."""
    run(_list(config, data, state, kind, find_instant(since), client, limit, as_json=as_json))


@app.command()
def dead(
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    *,
    limit: _Limit = 50,
    as_json: JsonOption = False,
) -> None:
    """List the events that were given up; `replay` lets them have another try."""
    run(_list(config, data, State.DEAD, None, None, None, limit, as_json=as_json))


@app.command()
def show(
    event_id: Annotated[int, typer.Argument(metavar="ID", help="The number that `list` shows.")],
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    *,
    body: Annotated[
        bool, typer.Option("--body", help="Show who the payer is; without it that is masked.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one event with its body."""
    run(_show(config, data, event_id, with_person=body, as_json=as_json))


@app.command()
def replay(
    event_ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID…", help="The numbers that `list` shows.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    *,
    all_dead: Annotated[
        bool, typer.Option("--dead", help="All events that were given up.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let events be applied as if they had just come; the audit tells who did it."""
    if bool(event_ids) is all_dead:
        typer.echo("tollway: name events by their numbers, or say --dead", err=True)
        raise typer.Exit(1)
    run(_replay(config, data, event_ids or [], all_dead=all_dead, as_json=as_json))


async def _list(
    config: Path | None,
    data: Path,
    state: State | None,
    kind: str | None,
    since: datetime | None,
    client: str | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    async with opened(config, data) as session, session.database.connection() as connection:
        client_id = None
        if client is not None:
            client_id = await events.find_client_id(connection, client)
            if client_id is None:
                raise StartError(f"there is no client {client!r}")
        wanted = EventFilter(state, kind, since, client_id)
        found = await events.list_events(connection, wanted, limit=limit)
    if as_json:
        for event in found:
            typer.echo(json.dumps(_told(event)))
    elif found:
        _print_table(found)
    else:
        typer.echo("no such event")


async def _show(
    config: Path | None, data: Path, event_id: int, *, with_person: bool, as_json: bool
) -> None:
    async with opened(config, data) as session, session.database.connection() as connection:
        event = await events.find_event(connection, event_id)
        if event is None:
            raise StartError(f"there is no event {event_id}")
        try:
            text = await events.get_body(connection, event)
        except BillingError as error:
            text = b""
            typer.echo(f"tollway: the body cannot be opened: {error}", err=True)
    told = _told(event)
    told["body"] = _body(text, with_person=with_person)
    if as_json:
        typer.echo(json.dumps(told))
        return
    for name, value in told.items():
        shown = json.dumps(value, indent=2, ensure_ascii=False) if name == "body" else value
        typer.echo(f"{name:16} {'-' if value is None else shown}")


async def _replay(
    config: Path | None, data: Path, event_ids: list[int], *, all_dead: bool, as_json: bool
) -> None:
    replayed: list[int] = []
    async with opened(config, data) as session:
        wanted = event_ids
        while True:
            async with session.database.transaction() as connection:
                if all_dead:
                    wanted = await events.list_dead(connection, limit=_REPLAYED_AT_ONCE)
                done = await events.replay_events(connection, wanted, session.operator, wall())
            replayed += done
            if not all_dead or not done:
                break
    left = sorted(set(event_ids) - set(replayed))
    if as_json:
        typer.echo(json.dumps({"replayed": replayed, "left": left}))
    else:
        events_word = "event" if len(replayed) == 1 else "events"
        typer.echo(f"{len(replayed)} {events_word} will be applied again")
    if left:
        numbers = ", ".join(map(str, left))
        raise StartError(
            f"left as they are: {numbers} (there is none of that number, it is about nothing that"
            " is read, or it is being worked on)"
        )


def _told(event: EventRow) -> dict[str, Any]:
    """Return the event as JSON takes it."""
    return {
        name: to_rfc3339(value) if isinstance(value, datetime) else value
        for name, value in asdict(event).items()
    }


def _body(text: bytes, *, with_person: bool) -> Any:  # Any: JSON
    if not text:
        return None
    try:
        body = json.loads(text)
    except ValueError:
        return f"{len(text)} bytes that are no JSON"
    return body if with_person else masked(body)


def _print_table(found: list[EventRow]) -> None:
    table = Table("ID", "Received", "Type", "About", "State", "Tries", "Why", box=None)
    for event in found:
        received = f"{event.received_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        # As text: what came from outside may look like markup.
        row = (str(event.id), received, event.type, event.object_ref or "-", event.state)
        table.add_row(*map(Text, (*row, str(event.attempts), event.last_error or "")))
    print_whole(table)
