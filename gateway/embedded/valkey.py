"""The embedded Valkey: a cache that is warm again after a restart, on a Unix socket only."""

import asyncio
import signal
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway.embedded.binaries import find_valkey
from gateway.embedded.errors import EmbeddedError, disk_full, translated
from gateway.embedded.orphans import end_orphans
from gateway.embedded.processes import GuardedProcess
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


class EmbeddedValkey:
    """One Valkey server on `data_dir`, with its socket in `run_dir`, which is a child of ours.

    The caller holds the lock of the folder around them: Valkey itself has none, and two
    servers on one folder would spoil its log. `durable=False` keeps nothing on disk.
    """

    def __init__(self, data_dir: Path, run_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self._run_dir = run_dir.absolute()
        self._durable = durable
        self._process: GuardedProcess | None = None
        self._sockets: SocketFolder | None = None

    @property
    def pid(self) -> int:
        """The pid of the server; 0 before the start."""
        return self._process.pid if self._process is not None else 0

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines of the server's log."""
        return self._process.last_lines if self._process is not None else ()

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

    async def stop(self) -> None:
        """Stop the server, by force where it does not obey; a repeat changes nothing."""
        if self._process is not None:
            await self._process.stop()
        if self._sockets is not None:
            self._sockets.remove()
            self._sockets = None

    async def wait_died(self) -> str:
        """Wait until the server is gone and tell in one line how it ended."""
        if self._process is None:
            return "valkey never started"
        return await self._process.wait_died()

    async def _launch(self, program: Path, socket: Path) -> GuardedProcess:
        settings = _SETTINGS | ({} if self._durable else _FLEETING) | {"unixsocket": str(socket)}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return await GuardedProcess.start(
            [program, *options],
            name="valkey",
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
            words = f": {process.last_lines[-1]}" if process.last_lines else ""
            raise EmbeddedError(
                f"valkey on {self.data_dir} was not ready within {_START_TIMEOUT_S:g} s{words}"
            ) from None

    async def _explain_death(self, process: GuardedProcess) -> str:
        ended = await process.wait_died()
        if any("No space left on device" in line for line in process.last_lines):
            return disk_full(self.data_dir)
        return (
            f"Valkey cannot start on {self.data_dir}: {ended}; "
            "it is only a cache: move that folder away and start again"
        )


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
