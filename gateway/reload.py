"""A new configuration in a running process: read, checked whole, prepared, swapped; or refused."""

import asyncio
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog

from gateway.config.faults import ConfigFaults
from gateway.config.load import load_config
from gateway.config.schema import Config
from gateway.errors import StartError
from gateway.lifecycle import Gateway
from gateway.run_folder import RunFolder

_log = structlog.get_logger("gateway")

FIXED: Final = (
    "listen",
    "public.host",
    "database",
    "redis",
    "encryption",
    "identity.session_ttl_s",
    "entitlements.memory_clients",
    "entitlements.memory_ttl_s",
    "entitlements.redis_ttl_s",
    "entitlements.lookup_timeout_s",
    "entitlements.last_known",
)
"""What the stores and the listening sockets are made of; they outlive a reload."""


class Target(Protocol):
    """Whatever serves by a configuration: one process, or a supervisor's many."""

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """The sockets that visitors come to."""
        ...

    async def prepare(self, config: Config) -> None:
        """Make ready to serve by it; nothing is changed yet.

        Raises:
            StartError: it cannot be used.
        """
        ...

    async def commit(self) -> None:
        """Serve by what was prepared."""
        ...

    async def abandon(self) -> None:
        """Forget what was prepared."""
        ...


class SingleProcess:
    """A gateway that runs in this process alone; see `Target`."""

    def __init__(
        self, gateway: Gateway, sockets: Sequence[socket.socket], folder: RunFolder
    ) -> None:
        self.sockets = sockets
        self._gateway = gateway
        self._folder = folder

    async def prepare(self, config: Config) -> None:
        """Make the next generation."""
        await self._gateway.prepare(config, self._folder.next_control())

    async def commit(self) -> None:
        """Swap."""
        self._gateway.commit()

    async def abandon(self) -> None:
        """Forget the next generation."""
        await self._gateway.abandon()


class Reloader:
    """Lets one configuration in at a time. `config` is what is served by now.

    Whoever holds `turn` keeps others from changing anything meanwhile. Once `replaced` is set,
    an heir serves by the file.
    """

    def __init__(self, file: Path, config: Config, target: Target) -> None:
        self.config = config
        self._file = file
        self._target = target
        self.turn = asyncio.Lock()
        self.replaced = asyncio.Event()

    async def reload(self) -> str:
        """Read the file again and serve by it; on any error nothing is changed.

        Raises:
            ConfigFaults: the file has faults; all of them at once.
            StartError: what it asks for cannot be had while we run, or we drain already.
        """
        async with self.turn:
            if self.replaced.is_set():
                raise StartError("this process has been replaced, by one that read the file anew")
            try:
                # Apart from the loop: visitors must not wait for a parser.
                config = await asyncio.to_thread(load_config, self._file, os.environ)
                refuse_fixed(self.config, config)
                await self._swap(config)
            except (ConfigFaults, StartError) as error:
                why = error.render() if isinstance(error, ConfigFaults) else str(error)
                _log.error("reload_refused", why=why)
                raise
            changed = config != self.config
            self.config = config
        told = "" if changed else ", as before"
        text = f"{len(config.apps)} apps, {len(config.plans)} plans{told}"
        _log.info("reloaded", apps=len(config.apps), plans=len(config.plans), changed=changed)
        return f"reloaded: {self._file}: {text}"

    async def _swap(self, config: Config) -> None:
        try:
            await self._target.prepare(config)
        except BaseException:
            await self._target.abandon()
            raise
        await self._target.commit()


def refuse_fixed(now: Config, then: Config) -> None:
    """Refuse a change to what outlives a reload.

    Raises:
        StartError: something of it is changed; all keys are named.
    """
    changed = [key for key in FIXED if _value_of(now, key) != _value_of(then, key)]
    if changed:
        raise StartError(
            f"{', '.join(changed)} cannot change while the gateway runs: nothing was changed;"
            " `tollway upgrade` puts a new process in this one's place without losing a request"
        )


def _value_of(config: Config, key: str) -> object:
    value: object = config
    for name in key.split("."):
        value = getattr(value, name)
    return value
