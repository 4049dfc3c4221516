"""The embedded Valkey: a cache that is warm again after a restart, on a Unix socket only."""

import asyncio
import signal
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway.embedded.binaries import find_valkey
from gateway.embedded.errors import EmbeddedError, translated
from gateway.embedded.orphans import end_orphans
from gateway.embedded.processes import GuardedProcess
from gateway.embedded.server import EmbeddedServer
from gateway.embedded.sockets import SocketFolder

_SOCKET = "valkey.sock"
_PROGRAMS = frozenset({"valkey-server", "redis-server"})

# 100 ms as a rule; more only while a log of 64 MB of values is read back.
_START_TIMEOUT_S = 30.0
_PING_TIMEOUT_S = 2.0
_LOOK_EVERY_S = 0.01
_GRACE_S = 2.0

# 64 MB hold about 100,000 snapshots of 500 bytes; beyond that the least used go, which
# costs one query each when they are asked for again.
_SETTINGS: Final = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory": "64mb",
    "maxmemory-policy": "allkeys-lru",
    "dir": ".",
}
_FLEETING: Final = {"appendonly": "no"}


class EmbeddedValkey(EmbeddedServer):
    """One Valkey server on `data_dir`, with its socket in `run_dir`, which is a child of ours.

    The caller holds the lock of the folder around them: Valkey itself has none, and two
    servers on one folder would spoil its log. `durable=False` keeps nothing on disk.
    """

    name = "valkey"
    advice = "; it is only a cache: move that folder away and start again"

    def __init__(self, data_dir: Path, run_dir: Path, *, durable: bool = True) -> None:
        super().__init__(data_dir, run_dir, durable=durable)

    async def start(self) -> str:
        """Start the server and give its URL, for redis-py.

        On error and on cancellation nothing is left running.

        Raises:
            EmbeddedError: in one line what is wrong and what to do.
        """
        program = find_valkey()
        with translated(self.data_dir):
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            await end_orphans(self.data_dir, _PROGRAMS)
            self._sockets = SocketFolder.make(self._run_dir, _SOCKET)
            socket = self._sockets.path / _SOCKET
            _remove(socket)
            try:
                self._process = await self._launch(program, socket)
                await self._wait_ready(self._process, socket)
            except BaseException:
                await asyncio.shield(self.stop())
                raise
        return f"unix://{quote(str(socket))}"

    async def _launch(self, program: Path, socket: Path) -> GuardedProcess:
        settings = _SETTINGS | ({} if self._durable else _FLEETING) | {"unixsocket": str(socket)}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return await GuardedProcess.start(
            [program, *options],
            name=self.name,
            cwd=self.data_dir,
            stop_signals=(signal.SIGTERM,),
            grace_s=_GRACE_S,
        )

    async def _wait_ready(self, process: GuardedProcess, socket: Path) -> None:
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while not await _answers(socket):
                    if not process.is_running:
                        raise EmbeddedError(await self._explain_death(process))
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            raise self._not_ready(process, _START_TIMEOUT_S) from None


def _remove(socket: Path) -> None:
    socket.unlink(missing_ok=True)


async def _answers(socket: Path) -> bool:
    """Whether a server there answers PING; while it loads its log it answers otherwise."""
    try:
        async with asyncio.timeout(_PING_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(b"PING\r\n")
                return (await reader.readline()).startswith(b"+PONG")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
