"""`tollway up`: everything on one machine, from a folder to ten apps behind a gateway.

Postgres, Valkey, the sample apps and the payment sandbox are child processes; when one
of them dies, everything stops with one line that says which, and nothing is left behind.
"""

import asyncio
import os
import shlex
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import jwt
from rich.console import Console
from rich.table import Table

from checkout_pages.ports import DemoMode
from gateway.clock import SandboxClock, wall
from gateway.commands.session import DEFAULT_DATA
from gateway.config.load import load_config
from gateway.config.schema import Config
from gateway.demo_parts import start_apps, start_sandbox
from gateway.demo_secrets import (
    DemoSecrets,
    load_or_create_secrets,
    placeholders,
    write_private,
)
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.owner import DataDir
from gateway.embedded.postgres import EmbeddedPostgres
from gateway.embedded.processes import GuardedProcess
from gateway.embedded.sockets import SocketFolder
from gateway.embedded.valkey import EmbeddedValkey
from gateway.errors import StartError
from gateway.lifecycle import run_gateway
from gateway.observability import log_to_file
from gateway.sockets import LOCALHOST, bind
from gateway.translate import issuers_of, public_origin
from gateway.wiring.extras import Extras

_T = TypeVar("_T")

# Ctrl-C promises an empty machine within five seconds; open streams get one of them.
_DRAIN_S = 1.0
_TOKEN_TTL = timedelta(days=30)
_CONTROL = "control.sock"


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the command line says; `port` 0 takes a free one."""

    config: Path
    data: Path
    port: int


class _Child(Protocol):
    """Something that runs below us."""

    async def stop(self) -> None: ...
    async def wait_died(self) -> str: ...


class _Children:
    """Starts children with a line of progress each, stops them in reverse, notices a death."""

    def __init__(self, stack: AsyncExitStack, console: Console) -> None:
        self._stack = stack
        self._console = console
        self._watched: list[asyncio.Task[str]] = []

    async def start(self, name: str, starting: Awaitable[_T]) -> _T:
        began_s = time.perf_counter()
        result = await starting
        self._console.print(f"  {name} [dim]{time.perf_counter() - began_s:.1f} s[/]")
        return result

    async def start_process(
        self, name: str, starting: Awaitable[GuardedProcess]
    ) -> dict[str, Any]:  # its ready line, whatever it holds
        """Start a program, own it, and return what it says of itself."""
        process = await self.start(name, starting)
        self.stop_at_end(process)
        self.watch(process)
        return dict(process.ready_line or {})

    def stop_at_end(self, child: _Child) -> None:
        self._stack.push_async_callback(child.stop)

    def watch(self, *children: _Child) -> None:
        self._watched += [asyncio.create_task(child.wait_died()) for child in children]

    async def wait_for_a_death(self) -> str:
        done, _ = await asyncio.wait(self._watched, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()


async def up(options: UpOptions, console: Console) -> None:
    """Run everything until cancelled.

    Raises:
        StartError: something cannot start, or a part died; one line for the operator.
        EmbeddedError: the same, about the embedded servers and the data folder.
        ConfigFaults: the configuration is wrong.
    """
    with DataDir(options.data) as folder:
        log_to_file(folder.path / "logs" / "gateway.log")
        secrets = load_or_create_secrets(folder.path / "secrets.json")
        environment = {**os.environ, **placeholders(), **secrets.as_environment()}
        # Read once before anything starts, so that a fault costs nobody a start.
        draft = load_config(options.config, environment)
        sockets = bind(LOCALHOST, options.port)
        port = sockets[0].getsockname()[1]
        environment["PORT"] = str(port)
        console.print("[bold]Tollway[/] is starting")
        async with AsyncExitStack() as stack:
            stack.callback(console.print, f"Tollway has stopped; the data stays in {folder.path}")
            stack.callback(_close_all, sockets)
            children = _Children(stack, console)
            sandbox_url = await _start_children(children, folder, draft, secrets, environment)
            config = _at_home(load_config(options.config, environment), folder)
            private = SocketFolder.make(folder.run, _CONTROL)
            stack.callback(private.remove)
            serving = run_gateway(
                config,
                sockets,
                private.path / _CONTROL,
                _demo_extras(config, folder, sandbox_url),
                lambda: _print_table(console, config, folder, sandbox_url),
            )
            await _serve_while_all_live(serving, children)


async def _start_children(
    children: _Children,
    folder: DataDir,
    draft: Config,
    secrets: DemoSecrets,
    environment: dict[str, str],
) -> str:
    """Start everything below us at once, and note where it is; return the sandbox's URL."""
    folder.run.mkdir(mode=0o700, exist_ok=True)
    # For commands: the port is a part of the name under which our tokens are made.
    folder.port.write_text(environment["PORT"])
    postgres = EmbeddedPostgres(folder.postgres, folder.run)
    valkey = EmbeddedValkey(folder.valkey, folder.run)
    children.stop_at_end(postgres)
    children.stop_at_end(valkey)
    webhook_url = f"http://{draft.public.host}:{environment['PORT']}/webhook"
    sandboxing = start_sandbox(folder.path / "sandbox", draft, secrets, webhook_url=webhook_url)
    try:
        async with asyncio.TaskGroup() as tasks:
            database = tasks.create_task(children.start("Postgres", postgres.start()))
            cache = tasks.create_task(children.start("Valkey", valkey.start()))
            apps = tasks.create_task(children.start_process("sample apps", start_apps()))
            sandbox = tasks.create_task(children.start_process("payment sandbox", sandboxing))
    except* EmbeddedError as errors:
        # Whichever failed first is told; the others were cancelled, or failed with it.
        raise errors.exceptions[0] from None
    children.watch(postgres, valkey)
    environment["DATABASE_URL"] = database.result()
    environment["REDIS_URL"] = cache.result()
    ready = apps.result()["urls"]
    environment.update({f"{name.upper()}_URL": url for name, url in ready.items()})
    environment["STRIPE_API_URL"] = sandbox.result()["url"]
    # For commands that ask the provider, and find the rest in this folder already.
    write_private(folder.sandbox_url, environment["STRIPE_API_URL"])
    return environment["STRIPE_API_URL"]


async def _serve_while_all_live(serving: Coroutine[None, None, None], children: _Children) -> None:
    gateway = asyncio.create_task(serving, name="gateway")
    death = asyncio.create_task(children.wait_for_a_death(), name="watch")
    try:
        await asyncio.wait((gateway, death), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gateway.cancel()
        death.cancel()
        await asyncio.wait((gateway, death))
    if not gateway.cancelled():
        await gateway
    raise StartError(f"{death.result()}; everything was stopped, start it again with `tollway up`")


def _close_all(sockets: list[socket.socket]) -> None:
    for bound in sockets:
        bound.close()


def _demo_extras(config: Config, folder: DataDir, sandbox_url: str) -> Extras:
    clock = SandboxClock(folder.path / "sandbox" / "clock-offset")
    demo = DemoMode(sandbox_url=f"{sandbox_url}/sandbox", issue_token=_token_maker(config))
    return Extras(clock=clock, demo=demo)


def _token_maker(config: Config) -> Callable[[str], str] | None:
    """Return how to make a client's token, if the configuration shares a key with an issuer."""
    issuer = next((i for i in issuers_of(config) if i.algorithm == "HS256"), None)
    if issuer is None:
        return None

    def issue_token(external_id: str) -> str:
        claims = {
            "iss": issuer.issuer,
            "aud": issuer.audience,
            "sub": external_id,
            "exp": wall() + _TOKEN_TTL,
        }
        return jwt.encode(claims, issuer.key, algorithm=issuer.algorithm)

    return issue_token


def _at_home(config: Config, folder: DataDir) -> Config:
    """Return the configuration as it is in the folder: quick to end, and nothing outside of it."""
    proxy = config.proxy.model_copy(update={"drain_s": min(config.proxy.drain_s, _DRAIN_S)})
    place = config.entitlements.last_known.folder or str(folder.path.absolute() / "last-known")
    last_known = config.entitlements.last_known.model_copy(update={"folder": place})
    entitlements = config.entitlements.model_copy(update={"last_known": last_known})
    return config.model_copy(update={"proxy": proxy, "entitlements": entitlements})


def _print_table(console: Console, config: Config, folder: DataDir, sandbox_url: str) -> None:
    table = Table("App", "URL", "What it needs", box=None, pad_edge=False, header_style="bold")
    for app in config.apps:
        url = public_origin(config, app.host)
        table.add_row(app.name, f"[link={url}]{url}[/link]", _needs(config, app.id))
    console.print()
    console.print(table)
    console.print()
    public = public_origin(config, config.public.host)
    where = "" if folder.path == DEFAULT_DATA else f" --data {shlex.quote(str(folder.path))}"
    facts: Mapping[str, str] = {
        "Checkout": public,
        "Sandbox": f"{sandbox_url}/sandbox",
        "API docs": f"{public}/docs",
        "Token": f"./tollway token --role admin{where}",
        "Data": str(folder.path),
        "Log": str(folder.path / "logs" / "gateway.log"),
    }
    for name, value in facts.items():
        console.print(f"{name:10}{value}", highlight=False, soft_wrap=True)
    console.print("\nReady. Ctrl-C stops everything.")


def _needs(config: Config, app_id: str) -> str:
    """Tell what the app's front page asks of a visitor."""
    app = next(app for app in config.apps if app.id == app_id)
    front = next(route for route in app.routes if route.path == "/")
    if front.access != "entitled":
        return "sign-in" if front.access == "signed_in" else "nothing"
    plans = [p.name for p in config.plans if p.apps.get(app_id, {}).get(front.feature)]
    return "a plan: " + ", ".join(plans)
