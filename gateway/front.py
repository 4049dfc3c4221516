"""The visitors' side of a process: the listening proxy, and the generation that it serves."""

import asyncio
import gc
import socket
from collections.abc import Sequence
from pathlib import Path

from gateway.clock import wall
from gateway.config.schema import Config
from gateway.observability import log_lines
from gateway.stores import Stores
from gateway.translate import open_certificates
from gateway.wiring.extras import Extras
from gateway.wiring.visitors import Generation, generation_of
from proxy.access_log import AccessLog
from proxy.deadlines import Deadlines
from proxy.server import ProxyServer
from proxy.streams import Streams

# How often time-outs of connections are looked at, in seconds.
_SWEEP_S = 0.5


class Front:
    """Serves visitors. A new configuration is prepared beside the old, then takes its place.

    Raises:
        StartError: a file that the configuration names cannot be used.
    """

    def __init__(
        self, config: Config, control_socket: Path, extras: Extras, stores: Stores
    ) -> None:
        self._extras = extras
        self._stores = stores
        self._deadlines = Deadlines(_SWEEP_S)
        self._log = AccessLog(log_lines)
        # Of all generations: what is open outlives the configuration that it began with.
        self._streams = Streams(
            stores.reader, stores.sessions, stores.clients, clock=extras.clock, wall=wall
        )
        self._deadlines.add(self._streams)
        self._certificates = open_certificates(config)
        self._now = self._make(config, control_socket, None)
        self._next: Generation | None = None
        now = self._now
        self._server = ProxyServer(now.gate, now.settings, self._deadlines, drain_s=now.drain_s)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept visitors."""
        # What stands until the end is not looked through again and again for what has gone;
        # the collector would stop all visitors meanwhile, for milliseconds.
        gc.collect()
        gc.freeze()
        self._deadlines.start()
        await self._server.start(sockets, self._certificates)

    def prepare(self, config: Config, control_socket: Path) -> None:
        """Make the next generation; nobody sees it yet.

        Raises:
            StartError: a file that the configuration names cannot be used.
        """
        open_certificates(config)  # Renewed ones are read; whether they can be, is said now.
        self._next = self._make(config, control_socket, self._now)

    def commit(self) -> None:
        """Let the next generation have every request that begins from now on."""
        before, now = self._now, self._next
        if now is None:
            return
        self._now, self._next = now, None
        self._server.adopt(now.gate, now.settings, drain_s=now.drain_s)
        before.close(now)
        if self._certificates is not None:
            self._certificates.reload()

    def abandon(self) -> None:
        """Forget the next generation."""
        abandoned, self._next = self._next, None
        if abandoned is not None:
            abandoned.close(self._now)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Accept no more, and let what runs end within `drain_s`, or until `hurry` is set."""
        try:
            await self._server.stop(hurry)
        finally:
            self._deadlines.stop()
            self._streams.stop()
            self._now.close()
            self._log.close()

    def _make(self, config: Config, control_socket: Path, before: Generation | None) -> Generation:
        return generation_of(
            config,
            control_socket,
            self._extras,
            self._stores,
            self._deadlines,
            self._log,
            self._streams,
            before,
        )
