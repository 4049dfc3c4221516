"""Operators' commands on the command line: each is loaded when it is used.

Together they need most of the product, which would let `tollway version` take a second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

import typer

# What follows a command's name is read by the command itself, `--help` too.
_PASS_ON: Final = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
    "help_option_names": [],
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is (a Typer, or a function), and what is told of it before it is loaded."""

    module: str
    name: str
    summary: str

    def load(self, command: str) -> typer.Typer:
        """Return an application that has only the command, under this name."""
        found = getattr(import_module(f"gateway.commands.{self.module}"), self.name)
        apart = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        if isinstance(found, typer.Typer):
            apart.add_typer(found, name=command)
        else:
            apart.command(command)(found)
            apart.callback()(lambda: None)
        return apart


PLACES: Final[Mapping[str, Place]] = {
    "audit": Place("audit", "audit", "What was done, to whom and why."),
    "clients": Place("clients", "clients", "Clients: who they are, what they hold."),
    "keys": Place(
        "keys", "keys", "The keys of the personal data and of the audit in the database."
    ),
    "credentials": Place(
        "credentials",
        "credentials",
        "Programs that may call the API: add them, change their secrets, disable them.",
    ),
    "signing-keys": Place("signing_keys", "signing_keys", "The keys that sign tokens for the API."),
    "token": Place(
        "token",
        "token",
        "Make a token for the API, and print nothing else; what is done with it is yours.",
    ),
    "events": Place(
        "events",
        "app",
        "Events of the payment provider: what came, what became of it, and another try.",
    ),
    "reconcile": Place(
        "reconcile",
        "reconcile",
        "Compare with the payment provider, show what differs, and write what it says.",
    ),
}


def add_operators_commands(app: typer.Typer) -> None:
    """Let the application know the commands by name."""
    for name, place in PLACES.items():
        app.command(name, help=place.summary, context_settings=_PASS_ON)(_passing_to(name, place))


def _passing_to(name: str, place: Place) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        program = context.find_root().command_path
        place.load(name)(args=[name, *context.args], prog_name=program)

    return run
