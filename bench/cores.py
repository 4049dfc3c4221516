"""Which core does what: the proxy has one of its own, load and app have others."""

import os
import resource
import shutil
from dataclasses import dataclass

# More than ten thousand WebSockets need at a proxy, which has two sockets for each.
_WANTED_FILES = 1 << 17


@dataclass(frozen=True, slots=True)
class Cores:
    """Sets of cores, as `taskset -c` takes them; None is every core.

    `pair` is for two workers; `pair_load` is what then drives them. `are_apart` tells
    whether these two sets share no core.
    """

    proxy: str | None
    load: str | None
    pair: str | None
    pair_load: str | None
    are_apart: bool

    @property
    def can_pin(self) -> bool:
        """Whether the proxy has a core of its own."""
        return self.proxy is not None


def choose_cores() -> Cores:
    """Take the first cores for the proxy and the last for the load."""
    usable = [str(core) for core in sorted(os.sched_getaffinity(0))]
    if len(usable) < 2 or shutil.which("taskset") is None:
        return Cores(None, None, None, None, are_apart=False)
    if len(usable) < 4:
        return Cores(usable[0], usable[-1], None, None, are_apart=False)
    return Cores(usable[0], usable[-1], ",".join(usable[:2]), ",".join(usable[2:]), are_apart=True)


def pinned(cores: str | None, command: list[str]) -> list[str]:
    """Return the command, kept on those cores."""
    taskset = shutil.which("taskset")
    if cores is None or taskset is None:
        return command
    return [taskset, "-c", cores, *command]


def raise_file_limit() -> int:
    """Let us and every child open as many files as this system lets us; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (_WANTED_FILES, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, hard)))
        except (ValueError, OSError):
            continue
        return limit
    return soft
