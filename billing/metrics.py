"""What billing counts; whoever runs it shows the numbers."""

from enum import StrEnum
from typing import Final, Protocol

from billing.facts import ObjectKind


class Receipt(StrEnum):
    """What became of a request to the webhook's address."""

    NEW = "new"
    AGAIN = "again"
    TWIN = "twin"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    WRONG_MODE = "wrong_mode"
    NOT_STORED = "not_stored"


class Settlement(StrEnum):
    """What became of a try to apply an event."""

    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"
    OUTAGE = "outage"
    DEAD = "dead"


class Alarm(StrEnum):
    """What a person has to know of; logged as an error under the same name."""

    UNKNOWN_PRICE = "unknown_price"
    UNKNOWN_STATUS = "unknown_status"
    SUBSCRIPTION_OVERLAP = "subscription_overlap"
    COMMAND_GIVEN_UP = "command_given_up"


class CallOutcome(StrEnum):
    """What became of a call to a provider.

    `CUT_SHORT` is one that we ended before it was answered, `SHUT_OUT` one that was not made,
    because too many had failed.
    """

    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    CUT_SHORT = "cut_short"
    SHUT_OUT = "shut_out"


class Meter(Protocol):
    """Counts. No call waits, fails, or keeps more than a few hundred numbers."""

    def received(self, receipt: Receipt) -> None:
        """Count a request to the webhook's address."""
        ...

    def other_version(self) -> None:
        """Count an event written in another API version than ours."""
        ...

    def missed(self) -> None:
        """Count an event that was never delivered."""
        ...

    def settled(self, settlement: Settlement, events: int) -> None:
        """Count events by what a try came to."""
        ...

    def applied(self, kind: ObjectKind, seconds: float) -> None:
        """Note how long the reading and applying of one object took."""
        ...

    def drifted(self, field: str) -> None:
        """Count a difference that no event explains; `field` is one of few words."""
        ...

    def lagged(self) -> None:
        """Count a difference that an event on its way explains."""
        ...

    def alarmed(self, alarm: Alarm) -> None:
        """Count something that a person has to know of."""
        ...

    def called(self, outcome: CallOutcome, *, is_shut_out: bool) -> None:
        """Count a call to the provider; `is_shut_out` tells whether it is left alone from now."""
        ...


class NoMeter:
    """Counts nothing."""

    def received(self, receipt: Receipt) -> None:
        """Count nothing."""

    def other_version(self) -> None:
        """Count nothing."""

    def missed(self) -> None:
        """Count nothing."""

    def settled(self, settlement: Settlement, events: int) -> None:
        """Count nothing."""

    def applied(self, kind: ObjectKind, seconds: float) -> None:
        """Count nothing."""

    def drifted(self, field: str) -> None:
        """Count nothing."""

    def lagged(self) -> None:
        """Count nothing."""

    def alarmed(self, alarm: Alarm) -> None:
        """Count nothing."""

    def called(self, outcome: CallOutcome, *, is_shut_out: bool) -> None:
        """Count nothing."""


NO_METER: Final = NoMeter()
"""For whoever is not asked how much it does."""
