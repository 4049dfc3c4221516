"""`tollway reconcile`: compare our rows with the provider's, show the difference, and mend it."""

import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from billing.catalog import Catalog
from billing.errors import ProviderRefusedError
from billing.metrics import NO_METER
from billing.model import Cause, Source
from billing.reconcile.check import Checker
from billing.reconcile.survey import Survey
from billing.result import Change
from billing.storage.due import Account, Due
from billing.storage.events import find_client_id
from billing.storage.plans import read_published
from gateway.clock import SandboxClock, wall
from gateway.commands.printing import print_whole
from gateway.commands.progress import progress_bar
from gateway.commands.session import (
    DEFAULT_DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    Session,
    opened,
    run,
)
from gateway.errors import StartError
from gateway.translate import plans_of

_DRIFT = 3
"""Exit code of a dry run that found something."""

_LINE_EVERY = 100


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the command line says."""

    client: str | None
    everything: bool
    dry_run: bool
    yes: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Parts:
    """What compares and mends."""

    session: Session
    survey: Survey
    checker: Checker


def reconcile(
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; exit 3 if something differs.")
    ] = False,
    client: Annotated[
        str | None, typer.Option(help="One client: its id, or what it is known by.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything that may still change, not only what is due.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare with the payment provider, show what differs, and write what it says.

    Without --client or --all, what is due: subscriptions about to end or just ended, unverified
    ones, and checkouts open for too long. Exit 0: nothing differs, or it was written.
    """
    code = run(_reconcile(config, data, _Wanted(client, everything, dry_run, yes, as_json)))
    raise typer.Exit(code)


async def _reconcile(config: Path | None, data: Path, wanted: _Wanted) -> int:
    if not (wanted.dry_run or wanted.yes or sys.stdin.isatty()):
        raise StartError("nobody can be asked here: say --yes to write, or --dry-run to look")
    async with _parts(config, data) as parts:
        found = await _look(parts, wanted)
        _show(found, wanted)
        if not found or wanted.dry_run:
            return _DRIFT if found else 0
        if not (wanted.yes or typer.confirm(f"Write this to {len(found)} objects?", err=True)):
            typer.echo("nothing was written", err=True)
            return 0
        with _progress(wanted) as progress:
            progress.begin("Writing", len(found))
            for item in found:
                await parts.checker.check(item)
                progress.advance()
    return 0


@asynccontextmanager
async def _parts(config: Path | None, data: Path) -> AsyncIterator[_Parts]:
    from gateway.wiring.provider import (  # noqa: PLC0415 - the provider's library is slow
        applier_of,
        provider_of,
    )

    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(opened(config, data))
        database = session.database
        clock = wall if config else SandboxClock(data / "sandbox" / "clock-offset")
        provider = provider_of(session.config, NO_METER)
        stack.push_async_callback(provider.close)
        published = await read_published(database, psp=provider.name, livemode=provider.livemode)
        catalog = Catalog(plans_of(session.config), published)

        async def changed(client_id: str, version: int) -> None:
            """Do nothing: processes that have caches hear of it from the database."""
            del client_id, version

        applier = applier_of(session.config, clock, database, provider, catalog, changed, NO_METER)
        cause = Cause(Source.RECONCILE, session.operator)
        yield _Parts(
            session,
            Survey(database, Account(provider.name, provider.livemode), clock),
            Checker(database, applier, provider, clock, wall, NO_METER, cause),
        )


async def _look(parts: _Parts, wanted: _Wanted) -> dict[Due, tuple[Change, ...]]:
    """Compare everything that is wanted, and return what differs; nothing is written."""
    client_id = None
    if wanted.client is not None:
        async with parts.session.database.connection() as connection:
            client_id = await find_client_id(connection, wanted.client)
        if client_id is None:
            raise StartError(f"there is no client {wanted.client!r}")
    found: dict[Due, tuple[Change, ...]] = {}
    with _progress(wanted) as progress:
        if client_id is None and not wanted.everything:
            items = await parts.survey.list_due()
            progress.begin("Comparing", len(items))
            for item in items:
                await _compare(parts.checker, item, found)
                progress.advance()
        else:
            progress.begin("Comparing", await parts.survey.count(client_id))
            async for item in parts.survey.list_all(client_id):
                await _compare(parts.checker, item, found)
                progress.advance()
    return found


async def _compare(checker: Checker, item: Due, found: dict[Due, tuple[Change, ...]]) -> None:
    try:
        changes = await checker.look(item)
    except ProviderRefusedError as error:
        changes = (Change(str(item.ref), f"{item.ref.kind}.unreadable", "here", str(error)),)
    if changes:
        found[item] = changes


def _show(found: dict[Due, tuple[Change, ...]], wanted: _Wanted) -> None:
    if wanted.as_json:
        for item, changes in found.items():
            for change in changes:
                told = {"object": str(item.ref), "field": change.field}
                typer.echo(json.dumps(told | {"ours": change.before, "theirs": change.after}))
        return
    if not found:
        typer.echo("nothing differs")
        return
    table = Table("Object", "Field", "Ours", "Provider's", box=None)
    for item, changes in found.items():
        for change in changes:
            # As text: what came from outside may look like markup.
            row = (str(item.ref), change.field, change.before or "-", change.after or "-")
            table.add_row(*map(Text, row))
    print_whole(table)


class _Teller(Protocol):
    """Tells how far it is."""

    def begin(self, name: str, total: int) -> None: ...

    def advance(self) -> None: ...


class _Bar:
    """A bar on a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def begin(self, name: str, total: int) -> None:
        self._progress.update(self._task, description=name, total=total)

    def advance(self) -> None:
        self._progress.advance(self._task)


class _Lines:
    """A line now and then, where nobody watches."""

    def __init__(self) -> None:
        self._name, self._total, self._done = "", 0, 0

    def begin(self, name: str, total: int) -> None:
        self._name, self._total, self._done = name, total, 0

    def advance(self) -> None:
        self._done += 1
        if self._done % _LINE_EVERY == 0 or self._done == self._total:
            typer.echo(f"{self._name} {self._done}/{self._total}", err=True)


@contextlib.contextmanager
def _progress(wanted: _Wanted) -> Iterator[_Teller]:
    """Tell within how far it is, on standard error: standard output is for what was found."""
    with progress_bar() as progress:
        yield _Lines() if wanted.as_json or progress.disable else _Bar(progress)
