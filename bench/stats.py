"""Medians, spreads and ratios of rounds: pure.

A ratio is made within each round, between neighbours in time, and then its median is
taken: a noisy minute of the machine falls on both sides of it.
"""

from collections.abc import Sequence
from statistics import median

from pydantic import BaseModel, ConfigDict


class Spread(BaseModel):
    """The median of some rounds, between the least and the most."""

    model_config = ConfigDict(frozen=True)

    median: float
    least: float
    most: float


def spread_of(values: Sequence[float]) -> Spread:
    """Return median, least and most of at least one value."""
    return Spread(median=median(values), least=min(values), most=max(values))


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return ours through theirs, round by round."""
    return spread_of([one / other for one, other in zip(ours, theirs, strict=True)])
