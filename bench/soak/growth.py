"""Memory and file descriptors of every process of ours while a soak lasts, from `/proc`."""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.cpu import own_resident_bytes
from bench.soak.place import Place

_EVERY_S: Final = 1.0
# What a process that has just begun takes in, is no growth.
_WARM_S: Final = 30.0
# Of fewer samples than these no trend is told.
_FEWEST: Final = 30


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

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for pid in self.place.children():
                try:
                    descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a count
                except OSError:
                    continue  # It ended while we looked.
                memory = own_resident_bytes(pid) / 1e6
                self.samples[pid].append(Sample(time.time(), memory, descriptors))
            await asyncio.sleep(_EVERY_S)


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
