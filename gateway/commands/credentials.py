"""`tollway credentials`: what programs prove themselves with when they ask for tokens."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from billing.model import Cause, Source
from billing.oauth.registry import Registry
from billing.storage.credentials import Credential
from gateway.clock import wall
from gateway.commands.apps import check_app
from gateway.commands.printing import print_whole, to_json
from gateway.commands.session import (
    DEFAULT_DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    opened,
    run,
)
from policies.permission import SCOPES_OF, Role

credentials = typer.Typer(
    name="credentials",
    help="Programs that may call the API: add them, change their secrets, disable them.",
    no_args_is_help=True,
)

_WEEK_HOURS = 7 * 24
_Which = Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")]


@credentials.command("list")
def list_(
    config: ConfigOption = None, data: DataOption = DEFAULT_DATA, *, as_json: JsonOption = False
) -> None:
    """List all of them, the disabled ones too."""
    found = run(_list(config, data))
    if as_json:
        typer.echo(to_json([_told(each) for each in found]))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("Id", "Name", "State", "Role", "Scopes"):
        table.add_column(heading, no_wrap=heading != "Scopes")
    for each in found:
        state = "live" if each.disabled_at is None else f"disabled {each.disabled_at:%Y-%m-%d}"
        role = f"{each.role} {each.app_id}" if each.app_id else each.role
        # Otherwise one would have to compare two long lists to see that they are the same.
        has_all = each.scopes == SCOPES_OF[Role(each.role)]
        scopes = "all of its role" if has_all else " ".join(sorted(each.scopes))
        table.add_row(each.id, each.name, state, role, scopes)
    print_whole(table)


@credentials.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What logs and lists call it.")],
    *,
    role: Annotated[Role, typer.Option(help="admin, or app.")],
    app: Annotated[str | None, typer.Option(help="The app, for the role app.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="One scope; may stand often. All of its role's if it does not."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Add a credential, and print its secret this once."""
    scopes = frozenset(scope) if scope else SCOPES_OF[role]
    made, secret = run(_add(name, role, app, scopes, config, data))
    _print_secret(made, secret, as_json=as_json)


@credentials.command("rotate-secret")
def rotate_secret(
    which: _Which,
    *,
    hours: Annotated[
        int,
        typer.Option(min=0, max=_WEEK_HOURS, help="How long the former secret is good for yet."),
    ] = 24,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make another secret, and print it this once; `--hours 0` ends the former one now."""
    changed, secret = run(_rotate(which, timedelta(hours=hours), config, data))
    _print_secret(changed, secret, as_json=as_json)


@credentials.command("disable")
def disable(
    which: _Which,
    *,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Disable it for ever; the tokens that it has end within seconds."""
    disabled = run(_disable(which, config, data))
    told = to_json(_told(disabled), indent=None) if as_json else f"{disabled.name} is disabled"
    typer.echo(told)


async def _list(config: Path | None, data: Path) -> Sequence[Credential]:
    async with opened(config, data) as session:
        return await Registry(session.database, wall).list()


async def _add(
    name: str,
    role: Role,
    app_id: str | None,
    scopes: frozenset[str],
    config: Path | None,
    data: Path,
) -> tuple[Credential, str]:
    async with opened(config, data) as session:
        check_app(session.config, app_id)
        cause = Cause(Source.ADMIN, session.operator)
        return await Registry(session.database, wall).add(name, role, app_id, scopes, cause)


async def _rotate(
    which: str, overlap: timedelta, config: Path | None, data: Path
) -> tuple[Credential, str]:
    async with opened(config, data) as session:
        cause = Cause(Source.ADMIN, session.operator)
        return await Registry(session.database, wall).rotate_secret(which, overlap, cause)


async def _disable(which: str, config: Path | None, data: Path) -> Credential:
    async with opened(config, data) as session:
        cause = Cause(Source.ADMIN, session.operator)
        return await Registry(session.database, wall).disable(which, cause)


def _print_secret(credential: Credential, secret: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json({**_told(credential), "client_secret": secret}, indent=None))
        return
    typer.echo(f"client_id      {credential.id}")
    typer.echo(f"client_secret  {secret}")
    typer.echo("Keep the secret now: it is not shown again.", err=True)


def _told(credential: Credential) -> dict[str, object]:
    return {
        "client_id": credential.id,
        "name": credential.name,
        "role": credential.role,
        "app": credential.app_id,
        "scopes": sorted(credential.scopes),
        "created_at": credential.created_at,
        "disabled_at": credential.disabled_at,
    }
