"""`tollway token`: a token for calls of the API, made with the database's own keys."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from billing.model import Cause, Source
from billing.oauth.issuing import Token
from billing.oauth.operator import Wish, make_token
from gateway.commands.apps import check_app
from gateway.commands.session import (
    DEFAULT_DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    opened,
    run,
)
from gateway.wiring.access import issuer_of, signing_keys_of
from policies.permission import Role

_DAY_MINUTES = 24 * 60


def token(
    role: Annotated[Role, typer.Option(help="Whose rights it has.")],
    *,
    app: Annotated[str | None, typer.Option(help="The app, for the role app.")] = None,
    client: Annotated[
        str | None, typer.Option(help="The client's id or external id, for the role client.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="One scope; may stand often. All if it does not.")
    ] = None,
    minutes: Annotated[
        int, typer.Option(min=1, max=_DAY_MINUTES, help="How long it is good for.")
    ] = 60,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make a token for the API, and print nothing else; what is done with it is yours."""
    lives = timedelta(minutes=minutes)
    made = run(_make(Wish(role, app, client, frozenset(scope or ()), lives), config, data))
    if not as_json:
        typer.echo(made.text)
        return
    answer = {
        "access_token": made.text,
        "token_type": "Bearer",
        "expires_in": made.lives_s,
        "scope": " ".join(sorted(made.scopes)),
    }
    typer.echo(json.dumps(answer))


async def _make(wish: Wish, config: Path | None, data: Path) -> Token:
    async with opened(config, data) as session:
        check_app(session.config, wish.app_id)
        keys = signing_keys_of(session.config, session.database)
        issuer = issuer_of(session.config, keys, session.database)
        cause = Cause(Source.ADMIN, session.operator)
        return await make_token(session.database, issuer, wish, cause)
