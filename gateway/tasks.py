"""Shows how many tasks each process has: a number that only ever grows is a leak."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.reports import Told

_OWN: Final = "control"


class Tasks(Collector):
    """The tasks of this process, and of the workers as `told`; collected on the event loop."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauge."""
        tasks = GaugeMetricFamily(
            "tollway_tasks", "Tasks of the process that there are.", labels=("process",)
        )
        # When it is registered, there may be no loop yet.
        with suppress(RuntimeError):
            tasks.add_metric((_OWN,), len(asyncio.all_tasks()))
        for name, number in sorted(self._told.report.tasks.items()):
            tasks.add_metric((name,), number)
        yield tasks
