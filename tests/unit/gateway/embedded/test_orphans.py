import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.embedded import orphans
from gateway.embedded.errors import EmbeddedError

_PROGRAMS = frozenset({"postgres"})


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program called postgres at work in `tmp_path / "data"`."""
    (tmp_path / "data").mkdir()
    process = await _start(tmp_path, "postgres", tmp_path / "data")
    yield process
    if process.returncode is None:
        process.kill()
    await process.wait()


async def _start(folder: Path, name: str, cwd: Path) -> asyncio.subprocess.Process:
    sleep = shutil.which("sleep")
    assert sleep is not None
    shutil.copy(sleep, folder / name)
    return await asyncio.create_subprocess_exec(folder / name, "600", cwd=cwd)


async def test_an_orphan_that_stays_is_ended(
    tmp_path: Path, worker: asyncio.subprocess.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "_LEAVE_S", 0.05)

    await orphans.end_orphans(tmp_path / "data", _PROGRAMS)

    assert await worker.wait() < 0


async def test_an_orphan_that_leaves_by_itself_is_waited_for(
    tmp_path: Path, worker: asyncio.subprocess.Process
) -> None:
    ending = asyncio.create_task(orphans.end_orphans(tmp_path / "data", _PROGRAMS))
    await asyncio.sleep(0)
    worker.terminate()

    await ending

    assert await worker.wait() == -15


async def test_neither_another_folder_nor_another_program_counts(
    tmp_path: Path, worker: asyncio.subprocess.Process
) -> None:
    (tmp_path / "other").mkdir()

    assert orphans.find_workers(tmp_path / "data", _PROGRAMS) == [worker.pid]
    assert orphans.find_workers(tmp_path / "other", _PROGRAMS) == []
    assert orphans.find_workers(tmp_path / "data", frozenset({"valkey-server"})) == []
    assert orphans.find_workers(tmp_path / "missing", _PROGRAMS) == []


async def test_an_orphan_that_cannot_be_ended_is_named(
    tmp_path: Path, worker: asyncio.subprocess.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_LEAVE_S", "_QUIT_S", "_KILL_S"):
        monkeypatch.setattr(orphans, name, 0.03)
    # Nothing survives SIGKILL but what hangs in the kernel, which a test cannot make.
    monkeypatch.setattr(orphans, "_signal", lambda _pid, _number: None)

    with pytest.raises(EmbeddedError, match=f"kill -9 {worker.pid}"):
        await orphans.end_orphans(tmp_path / "data", _PROGRAMS)
