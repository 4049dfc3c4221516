"""CPU time and memory of process trees, from `/proc` (proc(5)).

The time of a process is what it used itself plus what its ended children used; a tree's is
the sum over all that live, so that nothing counts twice and nothing is lost.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """What we read of one process. `ticks` is user and system time, ended children included."""

    pid: int
    parent: int
    ticks: int


def parse_stat(text: str) -> Stat:
    """Read one line of `/proc/<pid>/stat`; a name may hold blanks and brackets."""
    pid, _, rest = text.partition(" ")
    fields = rest.rpartition(")")[2].split()
    # utime, stime, cutime and cstime are fields 14 to 17; `fields` begins with field 3.
    return Stat(int(pid), int(fields[1]), sum(map(int, fields[11:15])))


def tree_of(roots: Iterable[int], stats: Iterable[Stat]) -> list[Stat]:
    """Return the roots and every descendant of theirs."""
    by_pid = {stat.pid: stat for stat in stats}
    children: dict[int, list[int]] = {}
    for stat in by_pid.values():
        children.setdefault(stat.parent, []).append(stat.pid)
    found: dict[int, Stat] = {}
    waiting = [pid for pid in roots if pid in by_pid]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = by_pid[pid]
            waiting += children.get(pid, [])
    return list(found.values())


def cpu_s(roots: Iterable[int]) -> float:
    """Return the CPU seconds that the trees of these processes have used so far."""
    return sum(stat.ticks for stat in tree_of(roots, _all_stats())) / _TICKS_PER_S


def resident_bytes(roots: Iterable[int]) -> int:
    """Return the resident memory of the trees of these processes."""
    return sum(own_resident_bytes(stat.pid) for stat in tree_of(roots, _all_stats()))


def tree_pids(root: int) -> list[int]:
    """Return the process and every descendant of its."""
    return [stat.pid for stat in tree_of([root], _all_stats())]


def parse_resident(text: str) -> int:
    """Read `VmRSS` of `/proc/<pid>/status`, in bytes; a kernel thread and a zombie have none."""
    for line in text.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def own_resident_bytes(pid: int) -> int:
    """Return the resident memory of one process; 0 if it has ended."""
    try:
        return parse_resident((_PROC / str(pid) / "status").read_text())
    except OSError:
        return 0


def _all_stats() -> list[Stat]:
    found = []
    for entry in os.listdir(_PROC):  # noqa: PTH208 - names are all we need
        if entry.isdigit():
            try:
                found.append(parse_stat((_PROC / entry / "stat").read_text()))
            except OSError:
                continue  # It ended while we looked.
    return found
