"""What workers report of themselves: to the supervisor, and summed by it to the control process."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.decision import Reason

Counts = Mapping[tuple[str, Reason], int]
"""Of what was decided without the facts, by app and reason."""


@dataclass(frozen=True, slots=True)
class Report:
    """`counts` are since the start; `missing` is what is not well, as health tells it.

    `tasks` is how many tasks a process has, by its name.
    """

    counts: Counts = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, int] = field(default_factory=dict)


class Reports:
    """The last report of each worker; what those counted that are gone stays counted."""

    def __init__(self) -> None:
        self._reports: dict[str, Report] = {}
        self._gone: Counter[tuple[str, Reason]] = Counter()

    def take(self, name: str, report: Report) -> None:
        """Let a worker's report replace the one before."""
        self._reports[name] = report

    def bury(self, name: str) -> None:
        """Take note that a worker is gone; the next of this name counts from nothing."""
        self._gone.update(self._reports.pop(name, Report()).counts)
        self._reports[name] = Report(missing={"process": "does not run"})

    def sum_up(self) -> Report:
        """Return what is to be told of all."""
        counts = self._gone.copy()
        missing: dict[str, str] = {}
        tasks: dict[str, int] = {}
        for name, report in sorted(self._reports.items()):
            counts.update(report.counts)
            missing |= {f"{name}: {what}": why for what, why in report.missing.items()}
            tasks |= report.tasks
        return Report(dict(counts), missing, tasks)


class Told:
    """What the control process was told last."""

    def __init__(self) -> None:
        self.report = Report()

    async def check(self) -> str | None:
        """Tell what is not well with which worker (a `health.Check`)."""
        return "; ".join(f"{what}: {why}" for what, why in self.report.missing.items()) or None
