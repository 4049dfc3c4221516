"""What a run measured, as it stands in the JSON file. `FORMAT` grows with every change.

Times are seconds unless a name says otherwise. A stack that could not run is in `missing`
with its reason; a part that was not measured is null.
"""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from bench.stats import Spread
from bench.targets import Met, Target

FORMAT: Final = 1

# A quarter of the cores at work for others is about what a desktop does by itself.
_BUSY_BELOW: Final = 4


class Part(BaseModel):
    """A part of the file; what it does not know is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(Part):
    """What it was measured on, and with which versions.

    `load` is the load average of the minute before, which others made; null if unknown.
    """

    cpu: str
    cores: int
    pinned: bool
    memory_gb: float
    kernel: str
    python: str
    versions: dict[str, str]
    load: float | None = None

    @property
    def was_busy(self) -> bool:
        """Whether others took so much that times and throughputs tell little."""
        return self.load is not None and self.load > self.cores / _BUSY_BELOW


class Sample(Part):
    """One stack in one round."""

    requests: int
    seconds: float
    cpu_s: float

    @property
    def cpu_us(self) -> float:
        """Return the CPU of one request, in microseconds."""
        return self.cpu_s / self.requests * 1e6

    @property
    def per_s(self) -> float:
        """Return requests a second."""
        return self.requests / self.seconds


class StackFigures(Part):
    """One line of the table."""

    name: str
    title: str
    does: str
    samples: tuple[Sample, ...]
    cpu_us: Spread
    per_s: Spread


class Missing(Part):
    """A stack that could not be measured, and why."""

    name: str
    title: str
    why: str


class Ratio(Part):
    """Our CPU for a request through that of a stack; `target` is null where there is none."""

    against: str
    title: str
    ratio: Spread
    target: Target | None
    met: Met | None


class Requests(Part):
    """The table."""

    connections: int
    rounds: int
    round_s: float
    stacks: tuple[StackFigures, ...]
    missing: tuple[Missing, ...]
    ratios: tuple[Ratio, ...]


class Figure(Part):
    """One figure of a section, beside its target where it has one."""

    what: str
    unit: str
    value: Spread
    target: Target | None = None
    met: Met | None = None


class Section(Part):
    """What is measured beside the table. `missing` tells why nothing or not all was measured."""

    name: str
    title: str
    how: str
    figures: tuple[Figure, ...] = ()
    missing: str | None = None


class Result(Part):
    """A whole run."""

    format: int = FORMAT
    at: datetime
    quick: bool
    machine: Machine
    requests: Requests | None = None
    sections: tuple[Section, ...] = ()


def judged(what: str, unit: str, value: Spread, target: Target) -> Figure:
    """Return a figure that has a target."""
    met = target.judge(value.median)
    return Figure(what=what, unit=unit, value=value, target=target, met=met)
