"""The knobs of delivery: how badly events travel, drawn from a seed so that a run repeats."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_Share = Annotated[float, Field(ge=0, le=1)]
# An hour: longer waits are the business of the retries and of the clock.
_DelayS = Annotated[float, Field(ge=0, le=3600)]


class Knobs(BaseModel):
    """How events travel; as they stand here, each goes out once, at once and in order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    duplicate: _Share = 0.0
    """The share of deliveries that go out twice."""
    reorder: Annotated[int, Field(ge=0, le=1000)] = 0
    """By how many places a delivery may be late in the order."""
    same_second_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    """For how long after a burst's first event the others carry its `created`; 0 is not at all."""
    delay_s: tuple[_DelayS, _DelayS] = (0.0, 0.0)
    """The least and the most that a delivery waits."""
    drop: _Share = 0.0
    """The share of deliveries that never go out; their events stay listed."""
    old_shape: bool = False
    """Every endpoint gets the shape of before 2025-03-31.basil."""
    payload: Literal["snapshot", "thin", "both"] | None = None
    """What every endpoint gets, over what is set for it."""
    hold: bool = False
    """Nothing goes out until it is released."""
    at_once: Annotated[int, Field(ge=1, le=8)] = 8
    """How many deliveries may be under way; with 1 they arrive in their order."""

    @model_validator(mode="after")
    def _check_delay(self) -> Self:
        if self.delay_s[0] > self.delay_s[1]:
            raise ValueError("delay_s: the least comes first")
        return self


@dataclass(frozen=True, slots=True)
class Fate:
    """What befalls one delivery; `copies` has the delay in s and the places lost of each."""

    is_dropped: bool
    copies: tuple[tuple[float, float], ...]


def parse_knobs(text: str | bytes) -> Knobs:
    """Parse a JSON object of knobs; what is left out is as usual.

    Raises:
        ValueError: a knob is unknown or out of range; the message names each at fault.
    """
    try:
        return Knobs.model_validate_json(text or "{}")
    except ValidationError as error:
        raise ValueError(_tell(error)) from error


def read_knobs(fields: Mapping[str, str]) -> Knobs:
    """Read the fields of a form, in which a box that is not ticked is not there at all.

    Raises:
        ValueError: as with `parse_knobs`.
    """
    given: dict[str, object] = {name: value for name, value in fields.items() if value != ""}
    if "delay_from_s" in given or "delay_to_s" in given:
        given["delay_s"] = [given.pop("delay_from_s", 0), given.pop("delay_to_s", 0)]
    try:
        return Knobs.model_validate(given)
    except ValidationError as error:
        raise ValueError(_tell(error)) from error


def _tell(error: ValidationError) -> str:
    faults = (f"{'.'.join(map(str, f['loc'])) or 'all'}: {f['msg']}" for f in error.errors())
    return "; ".join(faults)


def draw_fate(knobs: Knobs, number: int) -> Fate:
    """Return the fate of the delivery with this number since the knobs were set.

    Everything is drawn every time and from the number, so that the turn of one knob leaves
    the others' luck as it was.
    """
    random = Random(f"{knobs.seed}:{number}")  # noqa: S311 - a run has to repeat
    is_dropped = random.random() < knobs.drop
    is_twice = random.random() < knobs.duplicate
    ways = tuple((random.uniform(*knobs.delay_s), random.uniform(0, knobs.reorder)) for _ in "12")
    return Fate(is_dropped, ways if is_twice else ways[:1])
