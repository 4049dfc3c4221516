"""Counts what was decided while the facts about a client could not be read.

Each process that serves visitors counts for itself. The control process shows the numbers, and
is told those of the workers by the supervisor (`reports`).
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from gateway.reports import Told
from policies.decision import Reason

_LET_THROUGH: Final = frozenset({Reason.LAST_KNOWN_GRANT, Reason.LET_THROUGH_UNVERIFIED})


class Outages(Collector):
    """`proxy.ports.Outages`, and what of it Prometheus is told.

    `own` are the counts of this process, `told` has those of the workers.
    """

    def __init__(self, told: Told | None = None) -> None:
        self.own: Counter[tuple[str, Reason]] = Counter()
        self.told = told or Told()

    def note(self, app_id: str, reason: Reason) -> None:
        """Count the decision, if an outage made it what it is."""
        if reason in _LET_THROUGH or reason is Reason.PAID_BUT_REFUSED:
            self.own[app_id, reason] += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield both counters."""
        let_through = CounterMetricFamily(
            "tollway_let_through_unverified",
            "Requests let through while the facts could not be read, by the reason.",
            labels=("app", "reason"),
        )
        refused = CounterMetricFamily(
            "tollway_paid_but_refused",
            "Requests refused for that alone though the last facts say that it is paid.",
            labels=("app",),
        )
        for (app_id, reason), times in sorted(
            (self.own + Counter(self.told.report.counts)).items()
        ):
            if reason in _LET_THROUGH:
                let_through.add_metric((app_id, reason.value), times)
            else:
                refused.add_metric((app_id,), times)
        yield let_through
        yield refused
