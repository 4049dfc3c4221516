"""A meter that can be read."""

from billing.metrics import Alarm, CallOutcome, NoMeter


class Tally(NoMeter):
    """Keeps alarms and calls in the order in which they came."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []
        self.calls: list[CallOutcome] = []
        self.is_shut_out = False

    def alarmed(self, alarm: Alarm) -> None:
        """Keep the alarm."""
        self.alarms.append(alarm)

    def called(self, outcome: CallOutcome, *, is_shut_out: bool) -> None:
        """Keep what became of the call."""
        self.calls.append(outcome)
        self.is_shut_out = is_shut_out
