"""What we aim at and what we must not miss, and how a figure stands to both: pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict


class Met(StrEnum):
    """How a figure stands to its target and its floor."""

    TARGET = "target met"
    FLOOR = "floor met"
    NEITHER = "floor missed"


class Target(BaseModel):
    """A target and a floor. `more_is_better` tells in which direction to look."""

    model_config = ConfigDict(frozen=True)

    target: float
    floor: float
    more_is_better: bool = False

    def judge(self, value: float) -> Met:
        """Tell what the figure reaches."""
        if self._reaches(value, self.target):
            return Met.TARGET
        return Met.FLOOR if self._reaches(value, self.floor) else Met.NEITHER

    def gap(self, value: float) -> float:
        """Return by which share of the target the figure is short of it; 0 when met."""
        short = self.target - value if self.more_is_better else value - self.target
        return max(0.0, short / self.target) if self.target else 0.0

    def _reaches(self, value: float, limit: float) -> bool:
        return value >= limit if self.more_is_better else value <= limit


CPU_RATIOS: Final[Mapping[str, Target]] = {
    "nginx-auth": Target(target=1.0, floor=1.5),
    "envoy": Target(target=0.3, floor=0.45),
    "caddy": Target(target=0.2, floor=0.3),
    "aiohttp": Target(target=0.12, floor=0.18),
}
"""Our CPU for a request through that of the stack."""

ADDED_P50_MS: Final = Target(target=0.15, floor=0.3)
ADDED_P99_MS: Final = Target(target=1.0, floor=2.0)
"""Latency added at half load."""

BODY_RATIO: Final = Target(target=0.6, floor=0.3, more_is_better=True)
"""Throughput of a large body, through that of nginx."""

BODY_GROWTH_MB: Final = Target(target=20.0, floor=20.0)
"""Memory that a large body costs; it must stay flat, so there is nothing in between."""

SOCKET_KB: Final = Target(target=15.0, floor=30.0)
"""Memory of an idle WebSocket."""

TWO_WORKERS: Final = Target(target=1.8, floor=1.6, more_is_better=True)
"""What two workers serve, through what one serves."""

ACCEPTED_PER_S: Final = Target(target=1500.0, floor=700.0, more_is_better=True)
"""Webhooks verified, stored and answered a second, by one core that does all of it."""

OPENED_MS: Final = Target(target=50.0, floor=200.0)
"""From the commit of a webhook's grants until every worker lets the client in."""

DRAIN_GROWTH_MB: Final = Target(target=20.0, floor=20.0)
"""Memory that a long inbox costs while it is worked off; it must stay flat."""

NONE: Final = Target(target=0.0, floor=0.0)
"""What must not happen at all."""

SOAK_GROWTH_MB: Final = Target(target=10.0, floor=20.0)
"""Memory by which a process grows while everything breaks around it."""

SOAK_GROWTH_FILES: Final = Target(target=10.0, floor=20.0)
"""File descriptors by which it grows; pools of connections breathe."""

SOAK_GROWTH_TASKS: Final = Target(target=5.0, floor=10.0)
"""Tasks by which it grows; how many clients are under way at a time, varies by as much."""

MISS_REDIS_MS: Final = Target(target=0.4, floor=0.8)
MISS_POSTGRES_MS: Final = Target(target=0.8, floor=1.5)
"""A client's snapshot that memory does not have, found on the next rung or the last, p50."""

CLIENT_BYTES: Final = Target(target=400.0, floor=800.0)
"""Memory of one client among a million."""

STAMPEDE_QUERIES: Final = Target(target=1.0, floor=1.0)
"""What Postgres is asked when everybody asks for one client at once."""

HEARD_P99_MS: Final = Target(target=50.0, floor=200.0)
"""From a commit until every worker acts on it."""
