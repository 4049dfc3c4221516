"""What the control process counts, in the text format of Prometheus.

Labels have few values each, all of them ours, so that nobody outside can make numbers without end.
"""

import asyncio
from typing import Final

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from billing.errors import UnavailableError
from billing.facts import ObjectKind
from billing.metrics import Alarm, CallOutcome, Receipt, Settlement
from billing.storage.events import count_states
from billing.storage.pool import Database
from gateway.outages import Outages
from gateway.reports import Told
from gateway.tasks import Tasks

_log = structlog.get_logger("gateway")

# Whoever scrapes gives up after ten seconds, and a database in trouble has better to do.
_QUERY_S: Final = 2.0
_WAITING: Final = ("received", "failed", "dead")
# From an answer out of memory to a provider at its time-out.
_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# More kinds of differences than there are; past that something is no kind but a name.
_MOST_FIELDS: Final = 64
_OTHER: Final = "other"


class Metrics:
    """Counts for billing (its `Meter`), and shows the numbers.

    `outages` counts for the proxy, in whatever process that is; `told` is what workers report.
    """

    def __init__(self, told: Told | None = None) -> None:
        self._registry = CollectorRegistry()
        self.outages = Outages(told)
        self._registry.register(self.outages)
        self._registry.register(Tasks(self.outages.told))
        self._received = Counter(
            "tollway_webhooks", "Requests to the webhook.", ["receipt"], registry=self._registry
        )
        self._settled = Counter(
            "tollway_events",
            "Events by what a try to apply them came to.",
            ["outcome"],
            registry=self._registry,
        )
        self._applied = Histogram(
            "tollway_apply_seconds",
            "Seconds to read an object and apply it.",
            ["kind"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._drifted = Counter(
            "tollway_drift",
            "Differences that no event explains; more than none is a fault.",
            ["field"],
            registry=self._registry,
        )
        self._lagged = Counter(
            "tollway_lag", "Differences that an event on its way explains.", registry=self._registry
        )
        self._missed = Counter(
            "tollway_events_missed", "Events that were never delivered.", registry=self._registry
        )
        self._other_version = Counter(
            "tollway_events_other_version",
            "Events written in another API version than ours.",
            registry=self._registry,
        )
        self._inbox = Gauge(
            "tollway_inbox", "Events that are not settled.", ["state"], registry=self._registry
        )
        self._alarmed = Counter(
            "tollway_alarms",
            "What a person has to look at; the log tells it under the same name.",
            ["alarm"],
            registry=self._registry,
        )
        self._called = Counter(
            "tollway_provider_calls",
            "Calls to the payment provider, by what became of them.",
            ["outcome"],
            registry=self._registry,
        )
        self._shut_out = Gauge(
            "tollway_provider_shut_out",
            "1 while the provider is left alone after too many failures.",
            registry=self._registry,
        )
        self._fields: set[str] = set()
        for receipt in Receipt:
            self._received.labels(receipt.value)
        for settlement in Settlement:
            self._settled.labels(settlement.value)
        for alarm in Alarm:
            self._alarmed.labels(alarm.value)
        for outcome in CallOutcome:
            self._called.labels(outcome.value)

    def received(self, receipt: Receipt) -> None:
        """Count a request to the webhook's address."""
        self._received.labels(receipt.value).inc()

    def other_version(self) -> None:
        """Count an event written in another API version than ours."""
        self._other_version.inc()

    def missed(self) -> None:
        """Count an event that was never delivered."""
        self._missed.inc()

    def settled(self, settlement: Settlement, events: int) -> None:
        """Count events by what a try came to."""
        self._settled.labels(settlement.value).inc(events)

    def applied(self, kind: ObjectKind, seconds: float) -> None:
        """Note how long the reading and applying of one object took."""
        self._applied.labels(kind.value).observe(seconds)

    def drifted(self, field: str) -> None:
        """Count a difference under its kind; an item's id behind it is left out."""
        kind = field.partition(" ")[0]
        if kind not in self._fields and len(self._fields) >= _MOST_FIELDS:
            kind = _OTHER
        self._fields.add(kind)
        self._drifted.labels(kind).inc()

    def lagged(self) -> None:
        """Count a difference that an event on its way explains."""
        self._lagged.inc()

    def alarmed(self, alarm: Alarm) -> None:
        """Count something that a person has to know of."""
        self._alarmed.labels(alarm.value).inc()

    def called(self, outcome: CallOutcome, *, is_shut_out: bool) -> None:
        """Count a call to the provider, and note whether it is left alone from now on."""
        self._called.labels(outcome.value).inc()
        self._shut_out.set(is_shut_out)

    async def render(self, database: Database) -> bytes:
        """Return every number; those of the inbox are NaN while the database does not answer."""
        states: dict[str, float] = {}
        try:
            async with asyncio.timeout(_QUERY_S), database.connection() as connection:
                states.update(await count_states(connection))
        except (UnavailableError, TimeoutError) as error:
            _log.warning("metrics_incomplete", why=str(error) or "too slow")
            states.update(dict.fromkeys(_WAITING, float("nan")))
        for state in _WAITING:
            self._inbox.labels(state).set(states.get(state, 0))
        return generate_latest(self._registry)
