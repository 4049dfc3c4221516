import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.embedded.errors import EmbeddedError
from gateway.embedded.processes import GuardedProcess

Start = Callable[..., Awaitable[GuardedProcess]]

# Says that it is ready, then runs until its stdin ends.
_READY = "print('{\"port\": 7}', flush=True); import sys; sys.stdin.read()"


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts Python children by their source, and ends what a test leaves."""
    started: list[GuardedProcess] = []

    async def start(source: str, **options: object) -> GuardedProcess:
        options = {"name": "child", "grace_s": 5.0, **options}
        argv = [sys.executable, "-I", "-S", "-c", source]
        child = await GuardedProcess.start(argv, **options)  # type: ignore[arg-type]  # passed through
        started.append(child)
        return child

    yield start
    for child in started:
        await child.stop()


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - another process cannot set an event here
            await asyncio.sleep(0.01)


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


async def test_a_ready_line_is_read_and_the_child_stopped(start: Start) -> None:
    child = await start(_READY, expect_ready_line=True)

    assert child.ready_line == {"port": 7}
    running = child.is_running
    await child.stop()
    await child.stop()
    assert (running, child.is_running) == (True, False)
    assert _is_gone(child.pid)
    assert await child.wait_died() == "child was stopped"
    assert child.exit_code == -signal.SIGTERM


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("import sys; sys.exit('out of order')", "child exited with status 1: out of order"),
        ("import os, signal; os.kill(os.getpid(), 9)", "child was killed by SIGKILL"),
        (
            "import sys; print('FATAL:  why', file=sys.stderr); sys.exit('bye')",
            "child exited with status 1: FATAL:  why",
        ),
        ("import os, signal; os.kill(os.getpid(), 40)", "child was killed by signal 40"),
    ],
)
async def test_how_a_child_ended_is_told_in_one_line(start: Start, source: str, how: str) -> None:
    child = await start(source)

    assert await child.wait_died() == how


async def test_a_child_that_ends_before_its_ready_line_is_an_error(start: Start) -> None:
    with pytest.raises(EmbeddedError, match="exited with status 1: port taken"):
        await start("import sys; sys.exit('port taken')", expect_ready_line=True)


async def test_a_first_line_that_is_no_object_is_an_error(start: Start) -> None:
    with pytest.raises(EmbeddedError, match="'hello' where its ready line was expected"):
        await start("print('hello', flush=True); input()", expect_ready_line=True)
    with pytest.raises(EmbeddedError, match="ready line"):
        await start("print(7, flush=True); input()", expect_ready_line=True)


async def test_a_child_that_is_never_ready_is_ended(start: Start, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    source = f"import os; open({str(note)!r}, 'w').write(str(os.getpid())); input()"

    with pytest.raises(EmbeddedError, match="not ready within 1 s"):
        await start(source, expect_ready_line=True, start_timeout_s=1.0)

    assert _is_gone(int(note.read_text()))


async def test_a_cancelled_start_leaves_nothing(start: Start, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    source = f"import os; open({str(note)!r}, 'w').write(str(os.getpid())); input()"
    starting = asyncio.ensure_future(start(source, expect_ready_line=True))
    await _until(lambda: note.exists() and note.read_text() != "")

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert _is_gone(int(note.read_text()))


async def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(EmbeddedError, match=r"ghost could not be started: .*No such file"):
        await GuardedProcess.start(["/nowhere/ghost"], name="ghost")


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await GuardedProcess.start([sys.executable], name="child", cwd=tmp_path / "none")


async def test_a_child_deaf_to_its_signals_is_killed(start: Start) -> None:
    source = (
        "import signal; signal.signal(15, signal.SIG_IGN); signal.signal(2, signal.SIG_IGN)\n"
        "print('{}', flush=True)\n"
        "while True: signal.pause()"
    )
    signals = (signal.SIGINT, signal.SIGTERM)
    child = await start(source, expect_ready_line=True, grace_s=0.1, stop_signals=signals)

    await child.stop()

    assert child.exit_code == -signal.SIGKILL


async def test_a_grandchild_in_a_session_of_its_own_ends_too(start: Start) -> None:
    source = (
        "import json, os, signal\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os.setsid(); signal.pause()\n"
        "print(json.dumps({'grandchild': pid}), flush=True); signal.pause()"
    )
    child = await start(source, expect_ready_line=True)
    assert child.ready_line is not None
    grandchild = child.ready_line["grandchild"]
    assert isinstance(grandchild, int)

    await child.stop()

    assert _is_gone(grandchild)


async def test_a_killed_guard_takes_the_child_with_it(start: Start) -> None:
    child = await start(_READY, expect_ready_line=True)

    child._guard.kill()

    assert "guard of child was killed" in await child.wait_died()
    await _until(lambda: _is_gone(child.pid))
    assert child.exit_code is None


async def test_a_guard_asked_to_terminate_stops_the_child(start: Start) -> None:
    child = await start(_READY, expect_ready_line=True)

    child._guard.terminate()

    assert await child.wait_died() == "child was killed by SIGTERM"


async def test_a_guard_that_hangs_is_killed_by_stop(start: Start) -> None:
    child = await start(_READY, expect_ready_line=True)
    child._stop_s = 0.2
    os.kill(child._guard.pid, signal.SIGSTOP)

    await child.stop()

    await _until(lambda: _is_gone(child.pid))


async def test_stdin_ends_with_the_guard(start: Start) -> None:
    source = (
        "import signal, sys; signal.signal(15, signal.SIG_IGN); print('{}', flush=True)\n"
        "sys.stdin.read(); sys.exit(3)"
    )
    child = await start(source, expect_ready_line=True, death_signal=signal.SIGCONT)

    child._guard.kill()

    await _until(lambda: _is_gone(child.pid))


async def test_output_of_any_kind_is_read_and_bounded(start: Start) -> None:
    source = (
        "import sys\n"
        "print('{}', flush=True)\n"
        "sys.stdout.buffer.write(b'x' * 3_000_000 + b'\\xff\\n'); sys.stdout.flush()\n"
        "for n in range(100): print('line', n, file=sys.stderr)\n"
        "sys.stderr.write('unfinished')"
    )
    child = await start(source, expect_ready_line=True)

    assert await child.wait_died() == "child exited with status 0: unfinished"
    assert len(child.last_lines) <= 40
    assert all(len(line) <= 500 for line in child.last_lines)


async def test_a_storm_of_starts_and_stops_is_quick(start: Start) -> None:
    began = time.monotonic()

    children = await asyncio.gather(*(start(_READY, expect_ready_line=True) for _ in range(8)))
    await asyncio.gather(*(child.stop() for child in children))

    assert time.monotonic() - began < 20


async def test_before_its_start_a_child_neither_stops_nor_died() -> None:
    guard = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", "-c", "")
    child = GuardedProcess("child", guard, 1.0)

    await child.stop()

    assert await child.wait_died() == "child never started"
    assert child.exit_code is None
    await guard.wait()
