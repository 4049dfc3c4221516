"""What a soak came to, as it stands in the JSON file."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bench.result import Machine, Part, Section
from bench.soak.growth import Sample
from bench.trouble.verdicts import Answer, Outage, Seen


class Second(Part):
    """One second: how many answers of which kind were given."""

    answers: dict[Answer, int]


class Broken(Part):
    """What was out of order, in seconds from the start."""

    name: str
    begun_s: float
    mended_s: float


class Memory(Part):
    """One process: its memory in MB, each at so many seconds from the start."""

    pid: int
    at_s: tuple[float, ...]
    memory_mb: tuple[float, ...]


class SoakResult(Part):
    """A whole soak. `faults` are the first of what must not happen, in words."""

    at: datetime
    seed: int
    seconds: float
    machine: Machine
    section: Section
    faults: tuple[str, ...]
    timeline: tuple[Second, ...]
    broken: tuple[Broken, ...]
    memory: tuple[Memory, ...]


def timeline_of(seen: Iterable[Seen], begun_s: float, seconds: float) -> tuple[Second, ...]:
    """Return the answers of each second."""
    counted: list[Counter[Answer]] = [Counter() for _ in range(int(seconds) + 1)]
    for each in seen:
        number = int(each.ended_s - begun_s)
        if 0 <= number < len(counted):
            counted[number][each.answer] += 1
    return tuple(Second(answers=dict(count)) for count in counted)


def broken_of(outages: Sequence[Outage], begun_s: float) -> tuple[Broken, ...]:
    """Return what was out of order, from the start on."""
    return tuple(
        Broken(name=o.name, begun_s=o.begun_s - begun_s, mended_s=o.mended_s - begun_s)
        for o in outages
    )


def memory_of(samples: Mapping[int, Sequence[Sample]], begun_s: float) -> tuple[Memory, ...]:
    """Return the memory of every process."""
    return tuple(
        Memory(
            pid=pid,
            at_s=tuple(round(sample.at_s - begun_s, 1) for sample in each),
            memory_mb=tuple(round(sample.memory_mb, 1) for sample in each),
        )
        for pid, each in samples.items()
    )
