"""What commands print: tables for people, JSON for programs."""

import json
from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table


def print_whole(table: Table) -> None:
    """Print the table, if need be in longer lines than the terminal has.

    What is cut off of an id or a key nobody can use.
    """
    # What came from outside may look like markup, and be none that can be read.
    console = Console(markup=False, emoji=False)
    wide = console.options.update(max_width=10_000)
    console.width = max(console.width, Measurement.get(console, wide, table).maximum)
    with console.capture() as captured:
        console.print(table, highlight=False)
    # One long cell would fill up every other line, and a pager shows them as pages of nothing.
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def to_json(value: object, indent: int | None = 2) -> str:
    """Return the value as JSON, its instants as `to_rfc3339` writes them."""
    return json.dumps(value, indent=indent, default=_plain)


def to_rfc3339(instant: datetime) -> str:
    """Return the instant as the API writes it, in UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return to_rfc3339(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
