"""Servers of a previous run that still live on our data, and how they are ended.

The caller holds the lock of the data folder, so what still runs there has no owner.
"""

import asyncio
import os
import signal
from pathlib import Path

from gateway.embedded.errors import EmbeddedError

_PROC = Path("/proc")

# A previous run's guard needs at most two seconds; beyond that we end it ourselves.
_LEAVE_S = 3.0
_QUIT_S = 3.0
_KILL_S = 2.0
_LOOK_EVERY_S = 0.02


async def end_orphans(data_dir: Path, programs: frozenset[str]) -> None:
    """Wait until none of `programs` works in `data_dir`, ending them if they stay.

    A process counts only if the program it runs has one of those names *and* its working
    folder is `data_dir`, which is where Postgres and Valkey put themselves.

    Raises:
        EmbeddedError: one of them could not be ended.
    """
    for patience_s, number in (
        (_LEAVE_S, None),
        (_QUIT_S, signal.SIGQUIT),
        (_KILL_S, signal.SIGKILL),
    ):
        pids = find_workers(data_dir, programs)
        for pid in pids:
            if number is not None:
                _signal(pid, number)
        deadline = asyncio.get_running_loop().time() + patience_s
        while pids and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_LOOK_EVERY_S)
            pids = find_workers(data_dir, programs)
        if not pids:
            return
    raise EmbeddedError(
        f"process {pids[0]} of a previous run still uses {data_dir} and cannot be ended; "
        f"end it with `kill -9 {pids[0]}` and start again"
    )


def find_workers(data_dir: Path, programs: frozenset[str]) -> list[int]:
    """Find the processes that run one of `programs` in `data_dir`; none where /proc is not."""
    try:
        here = data_dir.stat()
    except OSError:
        return []
    found = []
    for entry in _PROC.glob("[0-9]*"):
        try:
            # `comm` first: it is readable for all, and few processes pass it.
            if (entry / "comm").read_text().strip() in programs and os.path.samestat(
                (entry / "cwd").stat(), here
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        # Gone, or not ours: the caller looks again and says which.
        return
