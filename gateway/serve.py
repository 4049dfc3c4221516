"""`tollway serve`, `worker` and `migrate`: what runs in earnest, from one configuration file."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.admin import answering
from gateway.config.faults import ConfigFaults
from gateway.config.load import load_config
from gateway.config.schema import Config
from gateway.errors import StartError
from gateway.health import UnsafeInstallationError, check_installation
from gateway.lifecycle import open_gateway, serving, tell_serving
from gateway.notify import notify_ready
from gateway.observability import log_to_stdout
from gateway.reload import Reloader, SingleProcess, Target
from gateway.run_folder import RunFolder
from gateway.sockets import LOCALHOST, bind_slots, listen_all
from gateway.stores import bring_up_to_date, open_database, open_stores
from gateway.supervisor import supervising
from gateway.upgrade import Heritage, Upgrader
from gateway.wiring.extras import Extras

_log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line says; `reuse_port` lets others onto the same port."""

    config: Path
    workers: int = 1
    reuse_port: bool = False


async def serve(options: ServeOptions, draining: asyncio.Event, hurry: asyncio.Event) -> None:
    """Serve until cancelled or replaced by an heir, then drain until `hurry` is set.

    `draining` is set once it drains by itself, in which cancelling would cut.

    Raises:
        StartError: a store or the port cannot be used.
        ConfigFaults: the configuration is wrong.
    """
    heritage = Heritage.claim()
    # Before there is a configuration to reload, and when there is none any more, it must not
    # end us.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        await _serve(options, heritage, draining, hurry)
    except ConfigFaults as faults:
        heritage.tell_failed(faults.render())
        raise
    except StartError as error:
        heritage.tell_failed(f"tollway: {error}")
        raise


async def _serve(
    options: ServeOptions, heritage: Heritage, draining: asyncio.Event, hurry: asyncio.Event
) -> None:
    config = _start(options.config)
    if heritage.sockets:
        # Without a database the predecessor knows more clients than we would.
        async with open_database(config):
            pass
    # An heir's new address may cover its predecessor's.
    is_shared = options.reuse_port or bool(heritage.sockets)
    slots = bind_slots(
        listen_addresses(config),
        config.listen.port,
        options.workers,
        is_shared=is_shared,
        inherited=heritage.sockets,
    )
    if not is_shared:
        # Visitors may queue up while we start. Where others serve already, they must not
        # wait for us, who may fail: the sockets listen when there is somebody to accept.
        listen_all([sock for slot in slots for sock in slot])
    with RunFolder(options.config) as folder:
        async with _target(config, slots, folder, hurry) as target:
            reloader = Reloader(options.config, config, target)
            upgrader = Upgrader(
                options.config,
                options.workers,
                lambda: target.sockets,
                reloader.turn,
                reloader.replaced,
                reuse_port=options.reuse_port,
            )
            async with _answering(reloader, upgrader, folder):
                heritage.tell_ready()
                tell_serving(config, slots[0], options.workers)
                notify_ready()
                await reloader.replaced.wait()
                draining.set()


@asynccontextmanager
async def _target(
    config: Config, slots: list[list[socket.socket]], folder: RunFolder, hurry: asyncio.Event
) -> AsyncIterator[Target]:
    """Serve within: in this process alone if there is one slot, otherwise by children."""
    if len(slots) > 1:
        async with supervising(config, slots, folder, hurry) as supervisor:
            yield supervisor
        return
    async with (
        open_gateway(config, folder.next_control(), Extras()) as gateway,
        serving(gateway, slots[0], hurry),
    ):
        yield SingleProcess(gateway, slots[0], folder)


@asynccontextmanager
async def _answering(
    reloader: Reloader, upgrader: Upgrader, folder: RunFolder
) -> AsyncIterator[None]:
    """Obey commands and SIGHUP within."""
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[None]] = set()

    async def reload_quietly() -> None:
        # Told in the log, which is where whoever sent a signal looks.
        with contextlib.suppress(ConfigFaults, StartError):
            await reloader.reload()

    def on_hangup() -> None:
        task = asyncio.create_task(reload_quietly(), name="reload")
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    async def on_reload(_asked: Mapping[str, object]) -> str:
        return await reloader.reload()

    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    try:
        async with answering(folder, {"reload": on_reload, "upgrade": upgrader.upgrade}):
            yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


async def work(file: Path) -> None:
    """Apply webhooks and reconcile without serving anybody, until cancelled.

    Raises what `serve` does.
    """
    from gateway.wiring.notices import listener_of  # noqa: PLC0415 - the provider's library is slow
    from gateway.wiring.selling import selling_of  # noqa: PLC0415 - as above

    config = _start(file)
    extras = Extras()
    async with AsyncExitStack() as stack:
        async with open_database(config) as database:
            await bring_up_to_date(database)
        stores = await open_stores(config, extras.clock, stack)
        selling = await selling_of(config, extras, stores)
        stack.push_async_callback(selling.provider.close)
        listener = listener_of(config, stores, selling.worker.wake)
        _log.info("working", concurrency=config.billing.worker.concurrency)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listener.run(), name="listener")
            tasks.create_task(selling.worker.run(), name="inbox worker")
            tasks.create_task(selling.reconciler.run(), name="reconciler")
            tasks.create_task(selling.janitor.run(), name="command janitor")


async def migrate_only(file: Path) -> None:
    """Bring the schema up to date, and log what was applied; raises what `serve` does."""
    config = _start(file)
    async with open_database(config) as database:
        _log.info("migrated", applied=await bring_up_to_date(database))


def listen_addresses(config: Config) -> tuple[str, ...]:
    """Return the addresses to bind; `localhost` is both loopbacks."""
    address = config.listen.address
    return LOCALHOST if address == "localhost" else (address,)


def _start(file: Path) -> Config:
    config = load_config(file, os.environ)
    try:
        check_installation()
    except UnsafeInstallationError as error:
        raise StartError(str(error)) from error
    log_to_stdout()
    return config
