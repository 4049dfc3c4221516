"""`tollway upgrade`: a new process takes the place of a running one, and of its sockets.

The running process starts its heir, which may be another program by now, hands it the
listening sockets by descriptor, waits until it serves, and then drains. As the sockets never
close, nobody is refused or reset. An heir that cannot serve tells why, and nothing is changed.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import structlog

from gateway.children import START_LIMIT_S
from gateway.errors import RefusedError, StartError

_log = structlog.get_logger("gateway.upgrade")

_VARIABLE: Final = "TOLLWAY_HERITAGE"
_SILENT: Final = "tollway: the new process ended without a word; the log may tell more"
_ENDED: Final = "the process that started this one has ended"
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Heritage:
    """What a predecessor left us, or nothing: its sockets, and whom to tell that we serve."""

    sockets: tuple[socket.socket, ...] = ()
    predecessor: socket.socket | None = None

    @classmethod
    def claim(cls) -> Self:
        """Take what the environment says; our own children must not find it there.

        Raises:
            StartError: the predecessor was stopped meanwhile, and so were we meant to be.
        """
        told = os.environ.pop(_VARIABLE, None)
        if told is None:
            return cls()
        heritage = json.loads(told)
        if heritage["heir_of"] != os.getppid():
            # We could not tell it that we serve, and nobody would know of us.
            raise StartError(_ENDED)
        sockets = [socket.socket(fileno=number) for number in heritage["sockets"]]
        predecessor = socket.socket(fileno=heritage["tell"])
        for sock in (*sockets, predecessor):
            sock.set_inheritable(False)
        return cls(tuple(sockets), predecessor)

    def tell_ready(self) -> None:
        """Let the predecessor go.

        Raises:
            StartError: it is gone already; it was stopped, and so were we meant to be.
        """
        try:
            self._tell({"ready": True})
        except OSError as error:
            raise StartError(_ENDED) from error

    def tell_failed(self, why: str) -> None:
        """Let the predecessor go on, and say why."""
        try:
            self._tell({"ready": False, "why": why})
        except OSError:
            return  # It is gone; the log has the reason.

    def _tell(self, message: Mapping[str, object]) -> None:
        if self.predecessor is not None:
            with self.predecessor:
                self.predecessor.sendall(json.dumps(message).encode() + b"\n")


class Upgrader:
    """Starts the heir. `done` is set when it serves, and we shall drain."""

    def __init__(
        self,
        file: Path,
        workers: int,
        sockets: Callable[[], Sequence[socket.socket]],
        turn: asyncio.Lock,
        done: asyncio.Event,
        *,
        reuse_port: bool,
    ) -> None:
        self.done = done
        self._file = file
        self._workers = workers
        self._sockets = sockets
        self._turn = turn
        self._reuse_port = reuse_port

    async def upgrade(self, asked: Mapping[str, object]) -> str:
        """Start the heir by the program that asks, and wait until it serves.

        Raises:
            RefusedError: it cannot serve; we go on.
        """
        python, root = str(asked.get("python") or sys.executable), str(asked.get("root") or _ROOT)
        workers = str(asked.get("workers") or self._workers)
        async with self._turn:
            if self.done.is_set():
                raise RefusedError("tollway: this process has been replaced already")
            _log.info("upgrading", root=root, workers=workers)
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    heir = self._spawn(python, root, workers, theirs)
                except OSError as error:
                    ours.close()
                    why = f"tollway: the new process cannot be started: {error}"
                    raise RefusedError(why) from error
            try:
                await _until_ready(ours)
            except RefusedError as error:
                heir.kill()
                await asyncio.to_thread(heir.wait)
                _log.error("upgrade_refused", why=str(error))
                raise
            self.done.set()
        _log.info("upgraded", heir=heir.pid)
        return (
            f"upgraded: process {heir.pid} serves; process {os.getpid()} takes no more visitors"
            " and ends with what it has begun"
        )

    def _spawn(
        self, python: str, root: str, workers: str, tell: socket.socket
    ) -> "subprocess.Popen[bytes]":
        # Not asyncio's: its transport would kill the heir when our loop is closed.
        numbers = [sock.fileno() for sock in self._sockets()]
        heritage = {"heir_of": os.getpid(), "sockets": numbers, "tell": tell.fileno()}
        options = ["--reuse-port"] if self._reuse_port else []
        command = [*(python, "-P", "-m", "gateway", "serve", "-c", str(self._file)), *options]
        return subprocess.Popen(
            [*command, "--workers", workers],
            pass_fds=[*numbers, tell.fileno()],
            env={**os.environ, "PYTHONPATH": root, _VARIABLE: json.dumps(heritage)},
        )


async def _until_ready(ours: socket.socket) -> None:
    """Wait until the heir serves.

    Raises:
        RefusedError: it does not; the message is what it says itself, where it says anything.
    """
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    try:
        async with asyncio.timeout(START_LIMIT_S):
            line = await reader.readline()
    except TimeoutError:
        raise RefusedError(
            f"tollway: the new process did not serve within {START_LIMIT_S:g} s"
        ) from None
    finally:
        writer.close()
    told = json.loads(line) if line else {"ready": False, "why": _SILENT}
    if not told["ready"]:
        raise RefusedError(told["why"])
