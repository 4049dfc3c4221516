"""Where a benchmark happens: a folder, cores, ports, a token, and programs with guards.

Every program runs below a guard (`gateway/embedded/guard.py`), which ends it when we end,
SIGKILL included. It writes into a file: a pipe to us would cost the load's core.
"""

import asyncio
import random
import shlex
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cores import Cores, pinned
from bench.errors import BenchError
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.processes import GuardedProcess

_START_TIMEOUT_S = 30.0
_GRACE_S = 2.0
_LOOK_EVERY_S = 0.02
# Below what Linux gives to outgoing connections, so that none takes a port meant for a server.
_PORTS = (20_000, 32_000)
_TRIES = 200
_SHOWN_LINES = 5


@dataclass(frozen=True, slots=True)
class Site:
    """What all stacks share.

    `app_port` is the app; `gated_port` is the same app, which answers 418 unless the
    request carries what our gateway has to add to it.
    """

    folder: Path
    cores: Cores
    token: str
    token_key: str
    app_port: int
    gated_port: int
    decision_port: int

    def log_of(self, name: str) -> Path:
        """Return the file that the program of the name writes into."""
        return self.folder / f"{name}.log"


@contextmanager
def temporary_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Make a folder that is gone afterwards.

    Started by root, some programs become somebody else, who must pass through it to
    what is theirs.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has now.

    Raises:
        BenchError: none was found.
    """
    for _ in range(_TRIES):
        port = random.randrange(*_PORTS)  # noqa: S311 - any port will do
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BenchError(f"no port between {_PORTS[0]} and {_PORTS[1]} is free")


@asynccontextmanager
async def running(
    name: str,
    command: Sequence[str | Path],
    log: Path,
    *,
    cores: str | None,
    port: int | None,
    env: Mapping[str, str] | None = None,
    grace_s: float = _GRACE_S,
) -> AsyncIterator[GuardedProcess]:
    """Run a program while entered, from when it listens on `port`.

    Raises:
        BenchError: it did not start; its last words are in the message.
    """
    words = [str(word) for word in command]
    shell = ["/bin/sh", "-c", f'exec "$@" >>{shlex.quote(str(log))} 2>&1', name, *words]
    try:
        process = await GuardedProcess.start(
            pinned(cores, shell),
            name=name,
            env=env,
            stop_signals=(signal.SIGTERM,),
            grace_s=grace_s,
        )
    except EmbeddedError as error:
        raise BenchError(str(error)) from error
    try:
        if port is not None:
            await _wait_until_open(process, port, log)
        yield process
    finally:
        await asyncio.shield(process.stop())


async def _wait_until_open(process: GuardedProcess, port: int, log: Path) -> None:
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            while not await _is_open(port):
                if not process.is_running:
                    raise BenchError(f"{process.name} ended at once: {last_words(log)}")
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        raise BenchError(
            f"{process.name} did not listen within {_START_TIMEOUT_S:g} s: {last_words(log)}"
        ) from None


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def last_words(log: Path) -> str:
    """Return the end of what a program wrote, on one line."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return " / ".join(lines[-_SHOWN_LINES:]) or "it wrote nothing"
