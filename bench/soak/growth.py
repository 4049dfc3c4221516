"""Memory and file descriptors of every process of ours, from `/proc`, and tasks, as it tells."""

import asyncio
import os
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import aiohttp

from bench.cpu import own_resident_bytes
from bench.soak.place import HOST, Place

_EVERY_S: Final = 1.0
# What a process that has just begun takes in, is no growth.
_WARM_S: Final = 30.0
# Of fewer samples than these no trend is told.
_FEWEST: Final = 30
_TASKS: Final = re.compile(r'^tollway_tasks\{process="([^"]+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one process."""

    at_s: float
    memory_mb: float
    descriptors: int


@dataclass(slots=True)
class Growth:
    """Looks at every process now and then."""

    place: Place
    samples: dict[int, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    tasks: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    async def run(self) -> None:
        """Look until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_EVERY_S)) as session:
            while True:
                self._look()
                await self._ask(session)
                await asyncio.sleep(_EVERY_S)

    def _look(self) -> None:
        for pid in self.place.children():
            try:
                descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a count
            except OSError:
                continue  # It ended while we looked.
            memory = own_resident_bytes(pid) / 1e6
            self.samples[pid].append(Sample(time.time(), memory, descriptors))

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        """Ask how many tasks there are; while something is broken, nobody may answer."""
        headers = {"Host": HOST, "Authorization": f"Bearer {self.place.metrics_token}"}
        url = f"http://127.0.0.1:{self.place.port}/metrics"
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with session.get(url, headers=headers) as response:
                text = await response.text()
            for process, number in _TASKS.findall(text):
                self.tasks[process].append(int(float(number)))


def more_tasks(tasks: Mapping[str, Sequence[int]]) -> float:
    """Return by how many tasks a process has grown at most, the last third against the first.

    By name: a process that was replaced goes on where the one before was.
    """
    grown_by = [0.0]
    for numbers in tasks.values():
        third = len(numbers) // 3
        if third:
            grown_by.append(median(numbers[-third:]) - median(numbers[:third]))
    return max(grown_by)


def grown(samples: Mapping[int, Sequence[Sample]]) -> tuple[float, float]:
    """Return the most that a process has grown by, in MB and in file descriptors.

    The last third of its warm time against the first; those that did not live long enough to
    tell are left out.
    """
    memory, descriptors = [0.0], [0.0]
    for each in samples.values():
        warm = [sample for sample in each if sample.at_s >= each[0].at_s + _WARM_S]
        if len(warm) >= _FEWEST:
            third = len(warm) // 3
            first, last = warm[:third], warm[-third:]
            memory.append(median(s.memory_mb for s in last) - median(s.memory_mb for s in first))
            descriptors.append(
                median(s.descriptors for s in last) - median(s.descriptors for s in first)
            )
    return max(memory), max(descriptors)
