"""Our side of a guard: start a child, read its ready line, stop it, learn how it died."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from gateway.embedded.errors import EmbeddedError
from gateway.embedded.guard import Drop, Spec

_GUARD: Final = Path(__file__).with_name("guard.py")

# What is kept of a child's output: enough for the reason of a failed start, and bounded
# whatever the child writes.
_KEPT_LINES = 40
_KEPT_LINE_CHARS = 500
_READ_BYTES = 65_536

# How the lines of Postgres and initdb begin that tell why it ends; its last line is
# often only "database system is shut down".
_GRAVE = ("FATAL:", "PANIC:", "initdb: error:")

# Once we are gone a child has this long for each signal: an orphan that is still there
# after two seconds would be a fault, and a log repairs what a short shutdown leaves.
_ORPHAN_GRACE_S = 0.6

# Beyond the graces of all its signals, what a guard may need to kill, reap and report.
_GUARD_MARGIN_S = 3.0


class GuardedProcess:
    """A child process with a guard above it, which ends it when we end, SIGKILL included.

    Made by `start`, which needs a running event loop; every method belongs to that loop.
    Drop the last reference to it and the child ends too.
    """

    def __init__(self, name: str, guard: asyncio.subprocess.Process, stop_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self.pid = 0
        self.ready_line: dict[str, object] | None = None
        self._guard = guard
        self._stop_s = stop_s
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._started: asyncio.Future[int | None] = loop.create_future()
        self._first_line: asyncio.Future[bytes | None] = loop.create_future()
        self._trouble = ""
        self._exit: tuple[int, int] | None = None
        self._stopping = False
        self._control: asyncio.StreamWriter | None = None
        self._death: asyncio.Task[str] | None = None

    @classmethod
    async def start(
        cls,
        argv: Sequence[str | Path],
        *,
        name: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signals: Sequence[signal.Signals] = (signal.SIGTERM,),
        grace_s: float = 3.0,
        death_signal: signal.Signals = signal.SIGKILL,
        drop: Drop | None = None,
        expect_ready_line: bool = False,
        start_timeout_s: float = 20.0,
    ) -> Self:
        """Start `argv` (its first word an absolute path) and wait until it runs.

        Its stdin is a pipe that ends with the guard. With `expect_ready_line` the child
        must print one JSON object as its first line within `start_timeout_s`. To stop
        it, each of `stop_signals` gets `grace_s`, then all of it is killed;
        `death_signal` is what it gets should the guard itself be killed. On error and on
        cancellation nothing is left running.

        Raises:
            EmbeddedError: it could not be started, died, or was not ready in time.
        """
        spec = Spec(
            argv=[str(word) for word in argv],
            stop=[number.name for number in stop_signals],
            grace_s=grace_s,
            orphan_grace_s=_ORPHAN_GRACE_S,
            death_signal=death_signal.name,
            drop=drop,
        )
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                guard = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", str(_GUARD), json.dumps(spec)),
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env=env,
                    cwd=cwd,
                    start_new_session=True,
                )
        except BaseException:
            # A guard that got as far as running ends with its socket.
            ours.close()
            raise
        child = cls(name, guard, grace_s * len(spec["stop"]) + _GUARD_MARGIN_S)
        try:
            async with asyncio.timeout(start_timeout_s):
                await child._begin(ours, expect_ready_line=expect_ready_line)
        except TimeoutError:
            await child.stop()
            raise EmbeddedError(
                f"{name} was not ready within {start_timeout_s:g} s{child._last_words()}"
            ) from None
        except BaseException:
            await asyncio.shield(child.stop())
            raise
        return child

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines of stderr and stdout, a ready line left out."""
        return tuple(self._lines)

    @property
    def is_running(self) -> bool:
        """Whether the child runs, as far as its guard has told."""
        return self._death is not None and not self._death.done() and self._exit is None

    @property
    def exit_code(self) -> int | None:
        """How the child ended: its status, or minus its signal; None while not known."""
        if self._exit is None:
            return None
        code, number = self._exit
        return -number or code

    async def stop(self) -> None:
        """Ask the child to stop and wait until it is gone; a repeat changes nothing.

        When cancelled the child still stops, only nobody waits for it.
        """
        self._stopping = True
        if self._death is None:
            return
        if self._control is not None and not self._death.done():
            self._control.write(b"stop\n")
        try:
            async with asyncio.timeout(self._stop_s):
                await asyncio.shield(self._death)
        except TimeoutError:
            # A guard that does not answer is killed; the kernel then ends the child.
            with contextlib.suppress(ProcessLookupError):
                self._guard.kill()
            await asyncio.shield(self._death)

    async def wait_died(self) -> str:
        """Wait until the child is gone and tell in one line how it ended."""
        if self._death is None:
            return f"{self.name} never started"
        return await asyncio.shield(self._death)

    async def _begin(self, ours: socket.socket, *, expect_ready_line: bool) -> None:
        control, self._control = await asyncio.open_unix_connection(sock=ours)
        self._death = asyncio.create_task(
            self._follow(control, expect_ready_line=expect_ready_line), name=f"guard of {self.name}"
        )
        pid = await asyncio.shield(self._started)
        if pid is None:
            raise EmbeddedError(await self.wait_died())
        self.pid = pid
        if expect_ready_line:
            line = await asyncio.shield(self._first_line)
            if not line:
                raise EmbeddedError(await self.wait_died())
            self.ready_line = _parse_ready_line(self.name, line)

    async def _follow(self, control: asyncio.StreamReader, *, expect_ready_line: bool) -> str:
        assert self._guard.stdout is not None  # noqa: S101 - asked for as a pipe above
        assert self._guard.stderr is not None  # noqa: S101 - as above
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep(self._guard.stderr), name=f"stderr of {self.name}")
            group.create_task(
                self._keep(self._guard.stdout, first_line=expect_ready_line),
                name=f"stdout of {self.name}",
            )
            with contextlib.suppress(ConnectionError):
                async for line in control:
                    self._hear(json.loads(line))
            await self._guard.wait()
        for waiting in (self._started, self._first_line):
            if not waiting.done():
                waiting.set_result(None)
        if self._control is not None:
            self._control.close()
        return self._how_it_ended()

    def _hear(self, news: dict[str, object]) -> None:
        match news:
            case {"pid": int(pid)} if not self._started.done():
                self._started.set_result(pid)
            case {"error": str(trouble)}:
                self._trouble = trouble
            case {"exit": int(code), "signal": int(number)}:
                self._exit = (code, number)

    async def _keep(self, stream: asyncio.StreamReader, *, first_line: bool = False) -> None:
        """Read the child's output to its end, however fast it comes and whatever it is."""
        rest = b""
        while chunk := await stream.read(_READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if first_line and lines:
                self._first_line.set_result(lines.pop(0))
                first_line = False
            for line in lines:
                self._lines.append(line.decode(errors="replace")[:_KEPT_LINE_CHARS])
            if not first_line:
                rest = rest[:_KEPT_LINE_CHARS]
        if rest.strip():
            self._lines.append(rest.decode(errors="replace")[:_KEPT_LINE_CHARS])

    def _how_it_ended(self) -> str:
        if self._trouble:
            return f"{self.name} could not be started: {self._trouble}"
        if self._stopping:
            return f"{self.name} was stopped"
        if self._exit is None:
            return f"the guard of {self.name} was killed, and {self.name} ended with it"
        code, number = self._exit
        how = f"was killed by {_signal_name(number)}" if number else f"exited with status {code}"
        return f"{self.name} {how}{self._last_words()}"

    def _last_words(self) -> str:
        """The line that most likely tells the reason, as the end of a sentence."""
        told = [line.strip() for line in self._lines if line.strip()]
        grave = [line for line in told if line.startswith(_GRAVE)]
        return f": {(grave or told)[-1]}" if told else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _parse_ready_line(name: str, line: bytes) -> dict[str, object]:
    try:
        ready = json.loads(line)
    except ValueError:
        ready = None
    if not isinstance(ready, dict):
        said = line.decode(errors="replace")[:_KEPT_LINE_CHARS]
        raise EmbeddedError(f"{name} said {said!r} where its ready line was expected")
    return ready
