"""The life of the gateway's process: start all parts, wait, and let open requests end."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from billing.errors import UnavailableError
from billing.storage.sessions import purge_sessions
from gateway.clock import wall
from gateway.config.schema import Config
from gateway.errors import StartError
from gateway.translate import open_certificates
from gateway.wiring import Extras, Gateway, open_gateway

_log = structlog.get_logger("gateway")

LOCALHOST = ("127.0.0.1", "::1")
"""Both loopbacks: browsers ask either first for names under `.localhost`."""

_PURGE_EVERY_S = 600.0

# How often a free port is looked for that is free on every address.
_TRIES = 10

# What binding `::1` says on a machine without IPv6.
_NO_IPV6 = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})


async def run_gateway(
    config: Config,
    sockets: Sequence[socket.socket],
    control_socket: Path,
    extras: Extras,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until cancelled, then drain.

    Raises:
        StartError: a part could not be started.
        ExceptionGroup: a background task failed in a way that nobody foresaw; better to
            be restarted than to serve without invalidation or without webhooks.
    """
    async with (
        open_gateway(config, control_socket, extras) as gateway,
        asyncio.TaskGroup() as tasks,
    ):
        running = [
            tasks.create_task(gateway.listener.run(), name="listener"),
            tasks.create_task(gateway.worker.run(), name="inbox worker"),
            tasks.create_task(_purge(gateway), name="janitor"),
        ]
        try:
            await gateway.control.start()
            await gateway.server.start(sockets, open_certificates(config))
            _log.info("serving", port=sockets[0].getsockname()[1], apps=len(config.apps))
            on_ready()
            await _for_ever()
        finally:
            _log.info("stopping")
            await gateway.server.stop()
            await gateway.control.stop()
            for task in running:
                task.cancel()


async def run_worker(config: Config, control_socket: Path) -> None:
    """Apply webhooks without serving anybody, until cancelled.

    Raises:
        StartError: a part could not be started.
    """
    async with (
        open_gateway(config, control_socket, Extras()) as gateway,
        asyncio.TaskGroup() as tasks,
    ):
        running = [
            tasks.create_task(gateway.listener.run(), name="listener"),
            tasks.create_task(gateway.worker.run(), name="inbox worker"),
        ]
        try:
            await _for_ever()
        finally:
            for task in running:
                task.cancel()


def bind(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Return listening sockets; port 0 takes a free one, the same on every address.

    Raises:
        StartError: the port is taken, or may not be used by us.
    """
    for _ in range(_TRIES if port == 0 else 0):
        # What is free on one address may be taken on the next.
        with contextlib.suppress(StartError):
            return _bind_all(addresses, port)
    return _bind_all(addresses, port)


def _bind_all(addresses: Sequence[str], port: int) -> list[socket.socket]:
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        for address in addresses:
            bound = _bind_one(address, port)
            if bound is None:
                continue
            stack.enter_context(bound)
            sockets.append(bound)
            port = bound.getsockname()[1]
        if not sockets:
            raise StartError(f"none of {', '.join(addresses)} is an address of this machine")
        stack.pop_all()
        return sockets


def _bind_one(address: str, port: int) -> socket.socket | None:
    """Bind one address; None for `::1` on a machine without IPv6."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=1024)
    except PermissionError as error:
        raise StartError(
            f"port {port} needs more rights than we have: choose one above 1023 with --port"
            " or listen.port"
        ) from error
    except OSError as error:
        if address == "::1" and error.errno in _NO_IPV6:
            return None
        # Not `strerror`: the socket module writes the address into it a second time.
        why = os.strerror(error.errno) if error.errno else str(error)
        raise StartError(
            f"cannot listen on {address} port {port} ({why}): stop the program that"
            " has it, or choose another with --port or listen.port"
        ) from error


async def _purge(gateway: Gateway) -> None:
    """Delete ended sessions now and then."""
    while True:
        await asyncio.sleep(_PURGE_EVERY_S)
        try:
            async with gateway.stores.database.transaction() as connection:
                await purge_sessions(connection, wall())
        except UnavailableError as error:
            _log.warning("purge_postponed", why=str(error))
        except Exception:  # noqa: BLE001 - the top of a task: whoever serves must live on
            _log.exception("purge_failed")


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()
