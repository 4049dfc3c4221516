"""What both embedded servers are: a process of ours with a socket in a private folder."""

from pathlib import Path

from gateway.embedded.errors import EmbeddedError, disk_full
from gateway.embedded.processes import GuardedProcess
from gateway.embedded.sockets import SocketFolder


class EmbeddedServer:
    """A server on `data_dir`, with its socket in `run_dir`, which is a child of ours.

    `name` is the server's in messages, `advice` what to do when it cannot start. The
    caller holds the lock of the folder around both folders (`owner.DataDir`).
    """

    name: str
    advice = ""

    def __init__(self, data_dir: Path, run_dir: Path, *, durable: bool) -> None:
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
            return f"{self.name} never started"
        return await self._process.wait_died()

    def _not_ready(self, process: GuardedProcess, limit_s: float) -> EmbeddedError:
        words = f": {process.last_lines[-1]}" if process.last_lines else ""
        return EmbeddedError(
            f"{self.name} on {self.data_dir} was not ready within {limit_s:g} s{words}"
        )

    async def _explain_death(self, process: GuardedProcess) -> str:
        ended = await process.wait_died()
        if any("No space left on device" in line for line in process.last_lines):
            return disk_full(self.data_dir)
        return f"{self.name.capitalize()} cannot start on {self.data_dir}: {ended}{self.advice}"
