"""What is for sale."""

from typing import Literal

from pydantic import Field

from billing.api.models.shapes import Output


class Feature(Output):
    """What a plan gives of one app."""

    app_id: str
    feature: str
    value: bool | int | str


class Plan(Output):
    """One version of something that a client can buy; a version never changes."""

    id: str
    version: int
    name: str
    description: str
    amount_minor: int
    currency: str
    interval: Literal["month", "year", "once"] = Field(description="`once` is paid once for ever.")
    trial_days: int
    max_quantity: int
    grace_days: int
    features: list[Feature]


class PlanList(Output):
    """All plans for sale, in the operator's order."""

    items: list[Plan]
