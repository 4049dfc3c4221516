"""Instants that operators write: dates with a time, or how long ago."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from gateway.clock import wall

SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="Not before: 2026-12-01T12:00Z, or 90m, 24h, 7d before now."
    ),
]
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def find_instant(text: str | None) -> datetime | None:
    """Return the instant that is meant, in UTC if it names no zone; None for None.

    Raises:
        typer.Exit: it is no time; that was told.
    """
    if text is None:
        return None
    try:
        if text[-1:] in _UNITS and text[:-1].isdecimal():
            return wall() - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        typer.echo(
            f"tollway: {text!r} is no time: write 2026-12-01T12:00Z, 90m, 24h or 7d", err=True
        )
        raise typer.Exit(1) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
