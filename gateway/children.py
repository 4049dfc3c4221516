"""The supervisor's side of a child process: born, spoken to, and buried."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from gateway.channel import Channel, ChannelClosedError, Done, End, Failed
from gateway.errors import StartError
from gateway.reports import Report

OnReport = Callable[[Report], None]

_ROOT = Path(__file__).parent.parent
START_LIMIT_S = 600.0
"""For a whole start, in seconds: the database's migrations are applied in it."""

# They are there already.
_LAST_WORDS_S = 1.0
# For one answer: plans are published meanwhile, and nothing else that takes time.
_ANSWER_S = 60.0


class ChildDiedError(Exception):
    """The child ended before it had answered; the message tells which, and how."""


class Child:
    """One process below us. It ends with us: its end of the channel tells it."""

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        channel: Channel,
        on_report: OnReport,
    ) -> None:
        self.name = name
        self.born_s = asyncio.get_running_loop().time()
        self._process = process
        self._channel = channel
        self._on_report = on_report
        # None is the last one, from a child that will say nothing more.
        self._answers: asyncio.Queue[object] = asyncio.Queue()
        self._listening = asyncio.create_task(self._listen(), name=f"listening to {name}")

    @classmethod
    async def spawn(cls, name: str, sockets: Sequence[socket.socket], on_report: OnReport) -> Self:
        """Start a process that has the sockets, under the numbers that they have here.

        `on_report` is called with each of its reports.

        Raises:
            StartError: the machine has no room for a process more.
        """
        with contextlib.ExitStack() as undo:
            try:
                ours, theirs = socket.socketpair()
                undo.enter_context(ours)
                with theirs:
                    process = await asyncio.create_subprocess_exec(
                        *(sys.executable, "-P", "-m", "gateway.child", name),
                        stdin=theirs.fileno(),
                        pass_fds=[sock.fileno() for sock in sockets],
                        env={**os.environ, "PYTHONPATH": str(_ROOT)},
                        # A terminal's signals are for us to pass on.
                        start_new_session=True,
                    )
                channel = await Channel.over(ours)
            except OSError as error:
                raise StartError(f"{name} cannot be started: {error}") from error
            undo.pop_all()
        return cls(name, process, channel, on_report)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def age_s(self) -> float:
        """How long it has lived, in seconds."""
        return asyncio.get_running_loop().time() - self.born_s

    async def ask(self, order: object, limit_s: float = _ANSWER_S) -> None:
        """Let the child do something, and wait until it is done, for so many seconds.

        Raises:
            StartError: it cannot; nothing was changed.
            ChildDiedError: it is dead, or gave no answer in time and was killed.
        """
        try:
            async with asyncio.timeout(limit_s):
                await self._channel.send(order)
                answer = await self._answers.get()
        except ChannelClosedError:
            raise ChildDiedError(await self.wait_died()) from None
        except TimeoutError:
            self.kill()
            raise ChildDiedError(f"{self.name} gave no answer and was killed") from None
        if answer is None:
            self._answers.put_nowait(None)
            raise ChildDiedError(await self.wait_died())
        if isinstance(answer, Failed):
            raise StartError(answer.why)
        if not isinstance(answer, Done):
            raise TypeError(f"{answer!r} is no answer")

    async def wait_died(self) -> str:
        """Wait until it is gone, and tell how it ended."""
        code = await self._process.wait()
        # What it said last is heard before it counts as gone.
        await asyncio.wait((self._listening,), timeout=_LAST_WORDS_S)
        self._channel.close()
        if code < 0:
            return f"{self.name} was killed by {signal.Signals(-code).name}"
        return f"{self.name} ended with status {code}"

    def report(self, report: Report) -> None:
        """Let the child know of others; nobody waits for it."""
        if self._process.returncode is None:
            self._channel.tell(report)

    def stop(self) -> None:
        """Ask it to drain; asked again, it cuts what still runs."""
        if self._process.returncode is None:
            self._channel.tell(End())

    async def _listen(self) -> None:
        with contextlib.suppress(ChannelClosedError):
            while True:
                message = await self._channel.receive()
                if isinstance(message, Report):
                    self._on_report(message)
                else:
                    self._answers.put_nowait(message)
        self._answers.put_nowait(None)

    def kill(self) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self._process.kill()
