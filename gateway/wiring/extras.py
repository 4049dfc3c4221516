"""What demo mode changes."""

from dataclasses import dataclass, field

from billing.ports import Clock
from checkout_pages.ports import DemoMode
from gateway.clock import SteadyClock
from gateway.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Extras:
    """What demo mode changes; nothing of it exists in `tollway serve`.

    `clock` is the time by which entitlements begin and end. `meter` counts in either.
    """

    clock: Clock = field(default_factory=SteadyClock)
    demo: DemoMode | None = None
    meter: Metrics = field(default_factory=Metrics)
