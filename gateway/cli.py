"""The command line: what users run (`up`, `serve`, …), and what developers run (`test`, …)."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.loading import add_operators_commands
from gateway.errors import RefusedError, StartError

ROOT = Path(__file__).parent.parent
_SHIPPED_CONFIG = ROOT / "config.yaml"

app = typer.Typer(
    name="tollway",
    help="An entitlement gateway: a reverse proxy that lets in the clients who have paid.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", dir_okay=False)
]
_TABLE_CHARS = 80
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    data: Annotated[str, typer.Option(metavar="DIR", help="Where everything is kept.")] = str(
        ROOT / ".tollway"
    ),
    config: ConfigOption = _SHIPPED_CONFIG,
) -> None:
    """Start everything on this machine: databases, ten sample apps, a payment sandbox."""
    from rich.console import Console  # noqa: PLC0415 - each command loads what it needs

    from gateway.up import UpOptions  # noqa: PLC0415 - as above
    from gateway.up import up as run_up  # noqa: PLC0415 - as above

    console = Console()
    # A narrower table would cut off URLs, which nobody could open then.
    console.width = max(console.width, _TABLE_CHARS)
    if not data:
        # An unset variable would otherwise fill the folder where one stands.
        _fail("tollway: --data is empty; name a folder")
    options = UpOptions(config=config, data=Path(data), port=port)
    _run(run_up(options, console))


@app.command()
def serve(
    config: ConfigOption,
    *,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes that serve; 1 is all in one.")
    ] = 1,
    reuse_port: Annotated[
        bool, typer.Option("--reuse-port", help="Allow another `serve` on the same port.")
    ] = False,
) -> None:
    """Serve the configured apps: no samples, no sandbox, no demo sign-in."""
    from gateway.serve import ServeOptions  # noqa: PLC0415 - as in `up`
    from gateway.serve import serve as run_serve  # noqa: PLC0415 - as in `up`

    options = ServeOptions(config, workers, reuse_port=reuse_port)
    draining, hurry = asyncio.Event(), asyncio.Event()
    _run(run_serve(options, draining, hurry), draining, hurry)


@app.command()
def reload(config: ConfigOption) -> None:
    """Let the running `serve` read its configuration again; on any fault nothing is changed."""
    _ask(config, "reload")


@app.command()
def upgrade(
    config: ConfigOption,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes that serve; as before if unsaid.")
    ] = None,
) -> None:
    """Put this program in the place of the running `serve`, without losing a request."""
    _ask(config, "upgrade", python=sys.executable, root=str(ROOT), workers=workers)


@app.command()
def worker(config: ConfigOption) -> None:
    """Apply webhooks from the inbox, without serving visitors."""
    from gateway.serve import work  # noqa: PLC0415 - as in `up`

    _run(work(config))


@app.command()
def migrate(config: ConfigOption) -> None:
    """Bring the database's schema up to date, and exit."""
    from gateway.serve import migrate_only  # noqa: PLC0415 - as in `up`

    _run(migrate_only(config))


@app.command("check-config")
def check_config(
    file: Annotated[
        Path | None,
        typer.Argument(help="The configuration file; none is the shipped one, as `up` reads it."),
    ] = None,
) -> None:
    """Report every fault of a configuration file at once; exit 1 if there is one."""
    from gateway.config.faults import ConfigFaults  # noqa: PLC0415 - as in `up`
    from gateway.config.load import load_config  # noqa: PLC0415 - as in `up`
    from gateway.demo_secrets import placeholders  # noqa: PLC0415 - as in `up`

    environment = os.environ if file else {**os.environ, **placeholders()}
    file = file or _SHIPPED_CONFIG
    try:
        config = load_config(file, environment)
    except ConfigFaults as faults:
        _fail(faults.render())
    typer.echo(f"{file}: {len(config.apps)} apps, {len(config.plans)} plans, no fault")


@app.command()
def version() -> None:
    """Print the version."""
    from gateway.version import product_version  # noqa: PLC0415 - as in `up`

    typer.echo(f"tollway {product_version()}")


add_operators_commands(app)


@app.command()
def check() -> None:
    """Check the code: ruff, mypy --strict, and who may import whom."""
    commands = (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy", "--strict"],
        ["pytest", "-q", "-p", "no:cacheprovider", "tests/architecture"],
    )
    for command in commands:
        typer.echo(f"$ {' '.join(command)}")
        _run_tool(command)


@app.command(context_settings=_PASS_ON)
def test(context: typer.Context) -> None:
    """Run the whole test suite; arguments go to pytest."""
    _run_tool(["pytest", "-n", "auto", "--dist", "loadgroup", "-q", *context.args])


@app.command(context_settings=_PASS_ON)
def bench(context: typer.Context) -> None:
    """Measure this machine: `proxy` beside other gateways, `webhooks` accepted and applied."""
    # In our place, so that Ctrl-C reaches what has to stop the others, and nobody else.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "bench", *context.args])  # noqa: S606 - no shell is the point


@app.command(context_settings=_PASS_ON)
def soak(context: typer.Context) -> None:
    """Serve for minutes while stores, networks and processes fail, and judge every answer."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", "bench.soak", *context.args])  # noqa: S606 - as above


def _run_tool(command: list[str]) -> None:
    """Run a tool of the development environment in the project's folder; end with its failure."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False)
    if done.returncode != 0:
        raise typer.Exit(done.returncode)


def _ask(config: Path, command: str, **details: object) -> None:
    """Ask the running `serve` to do something, and print what it tells."""
    from gateway.admin import ask  # noqa: PLC0415 - as in `up`

    try:
        typer.echo(asyncio.run(ask(config, command, **details)))
    except RefusedError as error:
        _fail(str(error))
    except StartError as error:
        _fail(f"tollway: {error}")


def _run(
    main: Coroutine[None, None, None],
    draining: asyncio.Event | None = None,
    hurry: asyncio.Event | None = None,
) -> None:
    """Run a long command until it ends or a signal asks it to stop; a second sets `hurry`."""
    from gateway.config.faults import ConfigFaults  # noqa: PLC0415 - as in `up`
    from gateway.embedded.errors import EmbeddedError  # noqa: PLC0415 - as in `up`

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_signalled(main, draining, hurry))
    except ConfigFaults as faults:
        _fail(faults.render())
    except (StartError, EmbeddedError) as error:
        _fail(f"tollway: {error}")


async def _until_signalled(
    main: Coroutine[None, None, None],
    draining: asyncio.Event | None,
    hurry: asyncio.Event | None,
) -> None:
    """Run `main`; the first signal cancels it, and later ones cannot disturb its clean-up.

    They can shorten it where there is a `hurry` to set. Where `main` is `draining` by itself, it
    does already what the first signal asks for.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if asked.is_set() and hurry is not None:
            hurry.set()
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    running = asyncio.create_task(main, name="main")
    waiting = asyncio.create_task(asked.wait(), name="signals")
    await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if asked.is_set() and not (draining is not None and draining.is_set()):
        running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415 - there is none for Windows

    return uvloop.new_event_loop


def _fail(text: str) -> None:
    typer.echo(text, err=True)
    raise typer.Exit(1)
