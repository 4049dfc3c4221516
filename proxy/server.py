"""Listens: aiohttp's low-level server in front of the gate."""

import socket
from collections.abc import Sequence

from aiohttp import web

from proxy.gate import Gate

# Between requests of one connection; longer than a browser's own 60 s would hold sockets
# of visitors who are gone.
_KEEPALIVE_S = 75.0


class ProxyServer:
    """Serves a gate on sockets that are already bound."""

    def __init__(self, gate: Gate, *, header_limit_bytes: int, drain_s: float) -> None:
        self._gate = gate
        self._header_limit_bytes = header_limit_bytes
        self._drain_s = drain_s
        self._runner: web.ServerRunner | None = None

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on every socket."""
        server = web.Server(
            self._gate.handle,
            # A visitor who leaves ends his request, and with it the app's work for him.
            handler_cancellation=True,
            access_log=None,
            # What visitors compressed reaches the app as it came.
            auto_decompress=False,
            keepalive_timeout=_KEEPALIVE_S,
            max_line_size=self._header_limit_bytes,
            max_field_size=self._header_limit_bytes,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=self._drain_s)
        await self._runner.setup()
        for sock in sockets:
            await web.SockSite(self._runner, sock, backlog=1024).start()

    async def stop(self) -> None:
        """Accept no more, and let what runs end within the drain time."""
        if self._runner is not None:
            await self._runner.cleanup()
